import type { App } from '../service/app.ts';
import type { Logger } from '../service/log.ts';
import { type AskedShards, ShardCountWatch } from './shardCount.ts';
import { EventStream } from './stream.ts';

interface WatchedStreamParts {
  app: App;
  redis: ConstructorParameters<typeof EventStream>[0];
  streamName: string;
  /** How many shards there are. */
  look: () => Promise<AskedShards>;
  log: Logger;
}

/** The stream for an app that asks where it stands: all the shards that there are, also when their number changes. */
export function watchedStream({ app, redis, streamName, look, log }: WatchedStreamParts): EventStream {
  const shards = new ShardCountWatch(look, ({ read }) => stream.useShards(read), log);
  const stream = new EventStream(redis, streamName, { areShardsKnown: () => shards.isKnown });
  void app.use('number of shards', shards, (watch) => watch.stop()).start();
  return stream;
}
