/** Something that the person at the keyboard can mend: its message says in one sentence what and how. */
export class StartFault extends Error {
  override name = 'StartFault';
}
