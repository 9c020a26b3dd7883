import type { Executor } from '../connection/connect.ts';

/** What the cookies of sessions are sealed with: the same for every app, made by the migration. */
export async function sessionSecret(sql: Executor): Promise<string> {
  const [row] = await sql<{ secret: string }[]>`SELECT secret FROM session_secret`;
  return row!.secret;
}
