import { useQueryClient } from '@tanstack/preact-query';
import { api } from '../../api/client.ts';
import type { Correction } from '../../api/queries.ts';
import { fullTime } from '../../app/format.ts';
import { may } from '../../app/session.ts';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Time, toast } from '../../ui/parts.tsx';

/** One correction: what it does and why, who made it, and whether it is in force. */
export function CorrectionItem({ correction }: { correction: Correction }) {
  const { action, reason, amended, correctedAt, correctedBy, undoneAt, undoneBy } = correction;
  return (
    <div class="stack tight">
      <div class="row tight">
        <Badge kind={undoneAt ? undefined : 'info'}>{action === 'void' ? 'voided' : 'amended'}</Badge>
        <span class="break">{oneLine(reason)}</span>
        {!undoneAt && may.admin.value && <Undo correction={correction} />}
      </div>
      {amended && (
        <span class="small soft break">
          to subject {oneLine(amended.subject)}, time {fullTime(amended.time)}
          {amended.data !== undefined && (
            <>
              , data <span class="mono">{oneLine(JSON.stringify(amended.data) ?? '')}</span>
            </>
          )}
        </span>
      )}
      <span class="small muted break">
        <Time at={correctedAt} /> by {oneLine(correctedBy)}
        {undoneAt && (
          <>
            ; undone or replaced <Time at={undoneAt} /> by {oneLine(undoneBy ?? '')}
          </>
        )}
      </span>
    </div>
  );
}

function Undo({ correction }: { correction: Correction }) {
  const client = useQueryClient();
  const undo = async () => {
    try {
      await api.DELETE('/api/v1/corrections/{id}', { params: { path: { id: correction.id } } });
      await client.invalidateQueries();
      toast('The correction is undone: the event counts as it came.');
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  return (
    <button type="button" class="button small" onClick={() => void undo()}>
      Undo
    </button>
  );
}
