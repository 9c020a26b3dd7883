/** What became of one request's events, published after the commit to the gateways that wait for it. */
export interface PartOutcome {
  token: string;
  /** Only those that were not stored; positions within the request. */
  events: EventOutcome[];
}

export interface EventOutcome {
  position: number;
  outcome: 'duplicate' | 'dead_letter';
  reason?: string;
}

export function outcomeChannel(streamName: string): string {
  return `{${streamName}}:outcomes`;
}
