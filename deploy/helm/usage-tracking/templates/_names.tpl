{{- define "usage.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "usage.secret" -}}
{{- .Values.secrets.existing | default (printf "%s-usage" (include "usage.name" .)) -}}
{{- end -}}

{{- define "usage.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "usage.labels" -}}
app.kubernetes.io/name: usage-tracking
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "usage.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Of one app; takes a list of the context and the app's name. */}}
{{- define "usage.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: usage-tracking
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "usage.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "usage.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Environment: the chart's settings, an app's own over them, and the secrets. Takes a list of the context and settings. */}}
{{- define "usage.environment" -}}
{{- $root := index . 0 -}}
{{- range $name, $value := merge (dict) (index . 1) $root.Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name := list "DATABASE_URL" "REDIS_URL" }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ include "usage.secret" $root }}, key: {{ $name }} } }
{{- end }}
{{- range $name := list "ADMIN_API_KEY" "DIRECT_DATABASE_URL" "QUERY_DATABASE_URL" }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ include "usage.secret" $root }}, key: {{ $name }}, optional: true } }
{{- end }}
{{- end -}}

{{- define "usage.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if or .Values.files.configMap .Values.files.secret }}
- { name: files, mountPath: /etc/usage, readOnly: true }
{{- end }}
{{- end -}}

{{- define "usage.volumes" -}}
- { name: tmp, emptyDir: { sizeLimit: 64Mi } }
{{- if .Values.files.configMap }}
- { name: files, configMap: { name: {{ .Values.files.configMap }} } }
{{- else if .Values.files.secret }}
- { name: files, secret: { secretName: {{ .Values.files.secret }} } }
{{- end }}
{{- end -}}
