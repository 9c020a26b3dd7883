import type { KeySource } from '@usage/lib/auth/keyRing.ts';
import type { KeyUseStore } from '@usage/lib/auth/keyUse.ts';
import type { SessionSource } from '@usage/lib/auth/sessions.ts';
import { connect, type Sql } from '../connection/connect.ts';
import { activeKeys, keysState, noteKeyUse } from './keys.ts';
import { sessionSecret } from './sessionSecret.ts';

const statementMsMax = 2_000;

export interface PostgresKeySource extends KeySource, SessionSource, KeyUseStore {
  end(): Promise<void>;
}

/** The keys over a connection of their own: no query that fills the app's pool holds a revocation up. */
export function keySource(url: string, app: string): PostgresKeySource {
  const open = () => connect({ url, name: `${app} keys`, connectionsMax: 1, statementMsMax });
  let sql: Sql = open();
  return {
    state: () => keysState(sql),
    keys: () => activeKeys(sql),
    sessionSecret: () => sessionSecret(sql),
    noteKeyUse: (lastUsedMs) => noteKeyUse(sql, lastUsedMs),
    reset() {
      const hanging = sql;
      sql = open();
      void hanging.end({ timeout: 0 }).catch(() => {});
    },
    end: () => sql.end({ timeout: 1 }),
  };
}
