/**
 * Bounds how much goes on at once, in all and for one namespace, so that no tenant takes everything. What is taken must be
 * given back.
 */
export class ConcurrencyLimit {
  #taken = 0;
  /** Those that have taken something now. */
  readonly #takenBy = new Map<string, number>();

  constructor(
    readonly max: number,
    readonly eachMax: number,
  ) {}

  get taken(): number {
    return this.#taken;
  }

  /** False where there is no more, for anybody or for this one. */
  take(namespace: string): boolean {
    const taken = this.#takenBy.get(namespace) ?? 0;
    if (this.#taken >= this.max || taken >= this.eachMax) return false;
    this.#taken++;
    this.#takenBy.set(namespace, taken + 1);
    return true;
  }

  give(namespace: string): void {
    const left = this.#takenBy.get(namespace)! - 1;
    this.#taken--;
    if (left > 0) this.#takenBy.set(namespace, left);
    else this.#takenBy.delete(namespace);
  }
}
