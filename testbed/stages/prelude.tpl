{{- /* In front of every patch template: see README.md. */ -}}
{{- $pod := . -}}
{{- $now := Now -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $scenario := index $annotations "midwatch.test/scenario" | default "default" -}}
{{- $unpullable := "" -}}
{{- range .spec.containers -}}
  {{- if and (not $unpullable) (regexMatch "bad|does-not-exist" .image) }}{{ $unpullable = .name }}{{ end -}}
{{- end -}}
{{- if $unpullable }}{{ $scenario = "image-error" }}{{ end -}}
{{- $failing := index $annotations "midwatch.test/container" | default $unpullable | default (index .spec.containers 0).name -}}
{{- $podRef := printf "%s_%s(%s)" .metadata.name .metadata.namespace .metadata.uid -}}
{{- $wasReady := "False" -}}
{{- range .status.conditions -}}
  {{- if eq .type "ContainersReady" }}{{ $wasReady = .status }}{{ end -}}
{{- end -}}
{{- define "conditions" -}}
{{- /* Ready and ContainersReady, if they changed. Takes was, now and unready, a list of container names. */ -}}
{{- $is := ternary "False" "True" (gt (len .unready) 0) -}}
{{- if ne $is .was }}
conditions:
{{- $now := .now }}
{{- $unready := .unready }}
{{- range (list "ContainersReady" "Ready") }}
- type: {{ . }}
  status: {{ $is | Quote }}
  lastProbeTime: null
  lastTransitionTime: {{ $now | Quote }}
  {{- if eq $is "True" }}
  reason: null
  message: null
  {{- else }}
  reason: ContainersNotReady
  message: {{ printf "containers with unready status: [%s]" (join " " $unready) | Quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
