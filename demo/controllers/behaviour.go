package controllers

import "time"

// Behaviour is what the process in a container does. The zero value starts within seconds, becomes ready and stays so.
type Behaviour struct {
	// Pull is how long pulling the image takes; 0 means it is on the node already. PullError makes it fail for ever.
	Pull      time.Duration
	PullError string
	// ConfigError keeps the container from being created, in the kubelet's words: `secret "x" not found`.
	ConfigError string
	// ReadyAfter is the time from the start of the container to its first good answers; 0 picks 3 to 6 seconds.
	ReadyAfter time.Duration
	// NotReady is what the readiness probe says while it fails, which it then does for ever.
	NotReady string
	// StartupFails is what the startup probe says while it fails, which it then does until the kubelet kills the container.
	StartupFails string
	// LivenessFails is what the liveness probe says from LivenessAfter on.
	LivenessFails string
	LivenessAfter time.Duration
	// RunFor ends the process after that time with Exit; 0 lets it run for ever.
	RunFor time.Duration
	Exit   Exit
	// StopAfter is how long it takes to stop after SIGTERM; 0 picks 1 to 2 seconds.
	StopAfter time.Duration
}

// Exit is how a process ended.
type Exit struct {
	Code int32
	// Reason is OOMKilled, Completed or Error; Error when empty and Code is not 0.
	Reason string
	// Message is what it left in the termination log.
	Message string
}
