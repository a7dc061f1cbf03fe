package hpa

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

const maxMessage = 1024

// Conditions are the controller's conditions as sentences, in the order they
// matter: whether it can scale at all, whether it has metrics, what limits it.
func Conditions(h *autoscalingv2.HorizontalPodAutoscaler) []Condition {
	var out []Condition
	for _, kind := range []autoscalingv2.HorizontalPodAutoscalerConditionType{
		autoscalingv2.AbleToScale, autoscalingv2.ScalingActive, autoscalingv2.ScalingLimited, autoscalingv2.ScaledToZero,
	} {
		c := condition(h, kind)
		if c == nil {
			continue
		}
		s := Condition{
			Type: string(kind), Reason: foreign.CleanN(c.Reason, maxName).String(), True: c.Status == corev1.ConditionTrue,
			Said: foreign.CleanN(c.Message, maxMessage), Since: c.LastTransitionTime.Time,
		}
		s.Text, s.Bad = sentence(kind, &s)
		if s.Text != "" {
			out = append(out, s)
		}
	}
	return out
}

// sentence says one condition in words, and whether it needs a look.
func sentence(kind autoscalingv2.HorizontalPodAutoscalerConditionType, c *Condition) (text string, bad bool) {
	switch kind {
	case autoscalingv2.AbleToScale:
		return ableText(c)
	case autoscalingv2.ScalingActive:
		return activeText(c)
	case autoscalingv2.ScalingLimited:
		return limitedText(c)
	}
	if c.True {
		return "it scaled its target to zero itself, and scales it up again when a metric asks for it", false
	}
	return "", false
}

func ableText(c *Condition) (text string, bad bool) {
	switch c.Reason {
	case "FailedGetScale":
		return "it cannot read its target's scale: " + after(c.Said.String(), "current scale: "), true
	case "FailedUpdateScale":
		return "it cannot write its target's scale: " + after(c.Said.String(), "target scale: "), true
	case "BackoffBoth", "BackoffDownscale", "BackoffUpscale":
		return "it waits after its last change before it scales again", false
	case "ScaleUpStabilized":
		return "a lower recommendation within the window holds the scale-up back", false
	case "ScaleDownStabilized":
		return "a higher recommendation within the window keeps the pods", false
	case "SucceededRescale":
		return "it has just scaled: " + c.Said.String(), false
	case "SucceededGetScale":
		return "it can read its target's scale", false
	case "ReadyForNewScale":
		return "it can scale, and nothing in its memory holds it back", false
	}
	return c.plainText()
}

func activeText(c *Condition) (text string, bad bool) {
	why := after(c.Said.String(), "unable to compute the replica count: ")
	switch c.Reason {
	case "ScalingDisabled":
		return "it is off, because its target is scaled to 0", false
	case "ValidMetricFound":
		return "it follows the " + after(c.Said.String(), "calculate a replica count from "), false
	case "InvalidSelector":
		return "its target's scale has no usable selector", true
	case "AmbiguousSelector":
		return "another autoscaler selects the same pods, and then neither acts: " + c.Said.String(), true
	case "InvalidMetricSourceType":
		return "it does not know this kind of metric: " + why, true
	case "FailedGetResourceMetric", "FailedGetContainerResourceMetric":
		return "it gets no pod metrics: " + why, true
	case "FailedGetPodsMetric", "FailedGetObjectMetric":
		return "it gets no custom metric: " + why, true
	case "FailedGetExternalMetric":
		return "it gets no external metric: " + why, true
	}
	return c.plainText()
}

func limitedText(c *Condition) (text string, bad bool) {
	switch c.Reason {
	case "TooManyReplicas":
		return "it wants more than its maximum", true
	case "TooFewReplicas":
		return "it wants fewer than its minimum", false
	case "ScaleUpLimit":
		return "its rate policies slow the scale-up down", false
	case "ScaleDownLimit":
		return "its rate policies slow the scale-down down", false
	case "DesiredWithinRange":
		return "neither limits nor rates hold it back", false
	}
	return c.plainText()
}

// plainText is for a reason midwatch does not know.
func (c *Condition) plainText() (text string, bad bool) {
	state := "not true"
	if c.True {
		state = "true"
	}
	return fmt.Sprintf("%s is %s (%s): %s", c.Type, state, c.Reason, c.Said), !c.True && c.Type != string(autoscalingv2.ScalingLimited)
}

// after is what follows a phrase, or the whole text.
func after(text, phrase string) string {
	if _, rest, ok := strings.Cut(text, phrase); ok {
		return rest
	}
	return text
}
