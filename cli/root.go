package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"midwatch/config"
)

const rootLong = `midwatch is a terminal ops console for the engineer on call.

It opens on a Kubernetes cluster and ranks what is in trouble, says in one
sentence why and since when, and lets the right thing be undone. It takes
kubectl's connection flags and reads the same kubeconfig files. Nothing is
written until you unlock it (--write, or :unlock 10m inside).

  midwatch                      the namespace of your current context
  midwatch -A                   every namespace you may read
  midwatch --context eu -n shop another cluster, one namespace
  midwatch demo                 an embedded world: no cluster, no network
  midwatch status -A -o json    the board once, for scripts and CI`

func (a *invocation) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "midwatch",
		Short:         "A terminal ops console for the engineer on call",
		Long:          rootLong,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return a.console(cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd, "%s", strings.TrimSpace(err.Error()))
	})
	a.flags = genericclioptions.NewConfigFlags(true)
	flags := root.PersistentFlags()
	a.flags.AddFlags(flags)
	flags.BoolVarP(&a.all, "all-namespaces", "A", false, "look at every namespace you may read")
	flags.BoolVar(&a.demo, "demo", false, "use the embedded world instead of a cluster")
	flags.Int64Var(&a.demoSeed, "seed", 1, "the embedded world's seed")
	flags.StringVar(&a.configFile, "config", "", "settings file (default "+config.Path(a.env)+")")
	flags.StringVar(&a.journal, "journal", "", "file that every write is recorded in")
	root.Flags().BoolVar(&a.write, "write", false, "start unlocked: allow writes in this context")
	flags.StringVar(&a.theme, "theme", "", "auto, dark, light or none")
	flags.BoolVar(&a.ascii, "ascii", false, "draw without Unicode")

	root.AddCommand(
		a.demoCommand(), a.statusCommand(), a.profileCommand(), a.flagsCommand(), a.secretsCommand(), a.journalCommand(),
		a.keysCommand(), a.versionCommand(),
	)
	a.completeContexts(root)
	return root
}

func (a *invocation) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The console on an embedded world: no cluster, no network",
		Long: `demo opens the console on a small shop that lives inside the process: an
API server, its controllers, and a handful of workloads in trouble. It reads no
kubeconfig and writes nothing but its journal, in a temporary folder.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.demo = true
			return a.console(cmd)
		},
	}
	cmd.Flags().BoolVar(&a.write, "write", false, "start unlocked")
	return cmd
}

func (a *invocation) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "midwatch", version)
			return err
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "unknown argument %q", args[0])
	}
	return nil
}

// completeContexts completes --context and --namespace from kubeconfig.
func (a *invocation) completeContexts(root *cobra.Command) {
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		source, done, err := a.source()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer done()
		contexts, err := source.Contexts()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := make([]string, 0, len(contexts))
		for _, c := range contexts {
			names = append(names, c.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	if err := root.RegisterFlagCompletionFunc("context", complete); err != nil {
		panic("bug: " + err.Error()) // the flag is added a few lines above
	}
}
