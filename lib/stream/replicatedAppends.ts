import { appendScript } from './scripts.ts';
import type { StreamShard } from './shard.ts';

/** Frames that go out together, with one WAIT behind them. */
const groupFramesMax = 64;
/** Groups on their way at once. */
const groupsMax = 2;

interface Waiting {
  frame: Buffer;
  events: number;
  mark: string;
  appended: PromiseWithResolvers<string>;
}

/** Redis has the frame; not so many replicas have it. */
export class TooFewReplicas extends Error {
  constructor(has: number, replicasMin: number) {
    super(
      `${has} of the ${replicasMin} replicas that REDIS_REPLICAS_MIN asks for have acknowledged the frame`,
    );
    this.name = 'TooFewReplicas';
  }
}

/**
 * Appends that succeed only once so many replicas have them. WAIT holds its connection until then; so the frames that come
 * meanwhile go out together, behind one another, with one WAIT for all: the busier the shard, the less a WAIT costs.
 */
export class ReplicatedAppends {
  #waiting: Waiting[] = [];
  #groups = 0;

  constructor(
    readonly shard: StreamShard,
    readonly replicasMin: number,
    readonly replicasMsMax: number,
  ) {}

  /** Resolves to the id; rejects with TooFewReplicas after replicasMsMax, with Redis' error at once. */
  append(frame: Buffer, events: number, mark: string): Promise<string> {
    const appended = Promise.withResolvers<string>();
    this.#waiting.push({ frame, events, mark, appended });
    this.#start();
    return appended.promise;
  }

  #start(): void {
    while (this.#groups < groupsMax && this.#waiting.length > 0) {
      this.#groups++;
      void this.#send(this.#waiting.splice(0, groupFramesMax)).finally(() => {
        this.#groups--;
        this.#start();
      });
    }
  }

  /** EVAL and not EVALSHA: a script that a promoted replica lacks would be sent again behind the WAIT. */
  async #send(group: Waiting[]): Promise<void> {
    const { client, key, counters } = this.shard;
    const [accepted, , recount] = counters;
    try {
      const pipeline = client.pipeline();
      for (const { frame, events, mark } of group)
        pipeline.eval(appendScript, 3, key, accepted, recount, frame, events, mark);
      // In the pipeline, so that a cluster's client sends it to the slot's own node.
      pipeline.wait(this.replicasMin, this.replicasMsMax);
      const replies = (await pipeline.exec())!;
      const [waitError, has] = replies.at(-1)!;
      for (const [n, { appended }] of group.entries()) {
        const [error, id] = replies[n]!;
        if (error) appended.reject(error);
        else if (waitError) appended.reject(waitError);
        else if (Number(has) < this.replicasMin)
          appended.reject(new TooFewReplicas(Number(has), this.replicasMin));
        else appended.resolve(id as string);
      }
    } catch (error) {
      for (const { appended } of group) appended.reject(error);
    }
  }
}
