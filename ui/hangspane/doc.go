// Package hangspane shows what the selected workload hangs on: who sends it
// traffic, what it is configured from, its storage and account, room in the
// quotas, requests against use, and disruption budgets.
package hangspane
