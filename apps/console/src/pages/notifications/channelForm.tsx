import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Channel } from '../../api/queries.ts';
import { CheckField, TextArea, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { CopyButton, toast } from '../../ui/parts.tsx';

/** Creates a channel, or changes one. A new one gets a signing secret, which is shown when it is opened again. */
export function ChannelForm({ channel, onClose }: { channel: Channel | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(channel?.name ?? '');
  const [url, setUrl] = useState(channel?.url ?? '');
  const [headers, setHeaders] = useState(() => linesOf(channel?.customHeaders ?? {}));
  const [isEnabled, setEnabled] = useState(!channel?.disabled);
  const issue = headers.split('\n').find((line) => line.trim() !== '' && !line.includes(':'));
  const save = async () => {
    const customHeaders = headersIn(headers);
    const body = {
      type: 'WEBHOOK' as const,
      name,
      url: url.trim(),
      disabled: !isEnabled,
      ...(Object.keys(customHeaders).length > 0 && { customHeaders }),
      ...(channel?.metadata && { metadata: channel.metadata }),
    };
    const params = { path: { channelId: channel?.id ?? '' } };
    await (channel
      ? api.PUT('/api/v1/notification/channels/{channelId}', { params, body })
      : api.POST('/api/v1/notification/channels', { body }));
    await client.invalidateQueries();
    toast(`${name} is ${channel ? 'changed' : 'created'}.`);
  };
  return (
    <FormDialog
      title={channel ? `Edit the channel ${channel.name}` : 'Create a channel'}
      action={channel ? 'Save' : 'Create the channel'}
      disabled={issue !== undefined}
      onClose={onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <TextField label="Name" value={name} onValue={setName} required issue={issueOf('name')} />
          <TextField
            label="URL"
            placeholder="https://example.com/hook"
            hint="Requests are signed as standardwebhooks.com describes"
            class="mono"
            value={url}
            onValue={setUrl}
            required
            issue={issueOf('url')}
          />
          <TextArea
            label="Headers to send with it"
            hint="One a line, like Authorization: Bearer …; may be left out"
            code
            rows={3}
            value={headers}
            onValue={setHeaders}
            issue={issue === undefined ? issueOf('customHeaders') : `“${issue.slice(0, 60)}” has no colon`}
          />
          <CheckField label="Enabled" checked={isEnabled} onValue={setEnabled} />
          {channel?.signingSecret && (
            <div class="field">
              <span class="label">Signing secret</span>
              <div class="row">
                <code class="break">{channel.signingSecret}</code>
                <CopyButton text={channel.signingSecret} />
              </div>
            </div>
          )}
        </>
      )}
    </FormDialog>
  );
}

function linesOf(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

function headersIn(lines: string): Record<string, string> {
  const pairs = lines.split('\n').filter((line) => line.includes(':'));
  return Object.fromEntries(
    pairs.map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}
