/**
 * Something that keeps a program from starting, that no waiting mends and that a person can: its message says in one
 * sentence what is wrong and what to do.
 */
export class StartError extends Error {
  override name = 'StartError';
}
