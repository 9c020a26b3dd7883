import { quoted } from './refusals.ts';

/** As spreadsheets and reports name their last rows, in a few languages. */
const totalsWords =
  /^(?:(?:grand|sub|overall)[ -]?)?totals?(?:\s*[:=]?|\s+(?:usage|general|général|geral|sum))$|^(?:sum|summe|gesamt|gesamtsumme|insgesamt|somme|suma|somma|totale|totaal|итого|合計|总计)\s*:?$/i;

/** Why a row of totals isn't usage; undefined where it isn't one. It has its word in the first cell that isn't empty. */
export function totalsIssue(cells: string[]): string | undefined {
  const first = cells.find((cell) => cell !== '');
  if (first === undefined || !totalsWords.test(first)) return undefined;
  return `${quoted(first)}: a row of totals would count twice: remove it, or say --totals skip, or --totals keep where it is usage`;
}
