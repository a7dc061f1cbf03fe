package connect

import "k8s.io/cli-runtime/pkg/genericclioptions"

// flagsFor copies kubectl's flags for a context. Another context than the one
// they were given for keeps the flags that say how to connect and drops those
// that say where to and as whom: with --server kept, a switch to another
// context would show the old cluster under the new name.
func flagsFor(given *genericclioptions.ConfigFlags, context string) *genericclioptions.ConfigFlags {
	f := genericclioptions.NewConfigFlags(false)
	f.KubeConfig = given.KubeConfig
	f.CacheDir = given.CacheDir
	f.Timeout = given.Timeout
	f.DisableCompression = given.DisableCompression
	f.Impersonate = given.Impersonate
	f.ImpersonateUID = given.ImpersonateUID
	f.ImpersonateGroup = given.ImpersonateGroup
	f.ImpersonateUserExtra = given.ImpersonateUserExtra
	if context != "" {
		f.Context = &context
		return f
	}
	f.Context = given.Context
	f.ClusterName = given.ClusterName
	f.AuthInfoName = given.AuthInfoName
	f.Namespace = given.Namespace
	f.APIServer = given.APIServer
	f.TLSServerName = given.TLSServerName
	f.Insecure = given.Insecure
	f.CertFile = given.CertFile
	f.KeyFile = given.KeyFile
	f.CAFile = given.CAFile
	f.BearerToken = given.BearerToken
	f.Username = given.Username
	f.Password = given.Password
	f.ProxyURL = given.ProxyURL
	return f
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
