{{- define "klipstream.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* part: which of ours it is. */}}
{{- define "klipstream.selector" -}}
app.kubernetes.io/name: klipstream
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "klipstream.labels" -}}
{{ include "klipstream.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "klipstream.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "klipstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "klipstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "klipstream.env" -}}
- {name: HOST, value: "0.0.0.0"}
- {name: PORT, value: "3000"}
- {name: DATA_DIR, value: /data}
- {name: ARTIFACTS_URL, value: {{ .Values.artifacts.url | default "/artifacts" | quote }}}
- {name: REDIS_URL_FILE, value: /run/secrets/klipstream/redis_url}
- {name: API_KEYS_FILE, value: /run/secrets/klipstream/api_keys}
{{- range $name := list "deepgram_api_key" "convex_deploy_key" "webhook_secret" }}

{{- if has $name $.Values.secrets }}
- {name: {{ upper $name }}_FILE, value: /run/secrets/klipstream/{{ $name }}}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "klipstream.mounts" -}}
- {name: work, mountPath: /data}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/klipstream, readOnly: true}
{{- if not .Values.artifacts.url }}
- {name: artifacts, mountPath: /artifacts}
{{- end }}
{{- end }}

{{- define "klipstream.volumes" -}}
- name: work
  emptyDir: {sizeLimit: {{ .Values.work.sizeLimit }}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: secrets
  secret: {secretName: {{ .Values.existingSecret }}, defaultMode: 0440}
{{- if not .Values.artifacts.url }}
- name: artifacts
  persistentVolumeClaim:
    claimName: {{ .Values.artifacts.volume.existingClaim | default (printf "%s-artifacts" (include "klipstream.name" .)) }}
{{- end }}
{{- end }}

{{/* A queue's name; periods are the caller's. */}}
{{- define "klipstream.workerProbe" -}}
exec: {command: [python, -m, tasks.health, worker, {{ . }}]}
timeoutSeconds: 25
{{- end }}
