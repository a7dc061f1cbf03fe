package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// freePorts returns n distinct free loopback ports. They lie below the range
// from which kernels take the ports of outgoing connections: a server that was
// stopped must find its port free when it is started again.
func freePorts(n int) ([]int, error) {
	const low, high, tries = 20000, 32000, 1000
	var ports []int
	var held []net.Listener // all at once, so that no port is found twice
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := low + rand.IntN(high-low)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		held = append(held, l)
		ports = append(ports, port)
	}
	return nil, errors.New("find free loopback ports: none between 20000 and 32000")
}
