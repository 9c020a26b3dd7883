const editsMax = 3;

/**
 * Which of the names was probably meant: the same letters and digits in another case or with other separators, else the
 * one that the fewest edits lead to, at most three and at most a third of its letters. undefined where none is near.
 */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const wanted = bare(given);
  let nearest: string | undefined;
  let fewest = editsMax + 1;
  for (const name of names) {
    const candidate = bare(name);
    if (Math.abs(candidate.length - wanted.length) > editsMax) continue;
    const edits = editsBetween(wanted, candidate);
    if (edits < fewest && edits * 3 <= Math.max(candidate.length, 3)) {
      nearest = name;
      fewest = edits;
    }
  }
  return nearest;
}

function bare(name: string): string {
  return name
    .slice(0, 64)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}

/** Levenshtein's distance: letters to insert, leave out or replace. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
