import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';

/** One entry of the list, not checked yet. */
export interface Declaration {
  value: unknown;
  /** For error messages: its slug where it has one. */
  name: string;
  /** Line of a field, or of the entry where it hasn't that field. From 1. */
  lineOf(field: string): number;
}

const slugShownLengthMax = 64;
const aliasesMax = 100;

/** The entries of a YAML list of meters, or of the list under `meters:`, as OpenMeter's configuration has it. */
export function readDeclarations(text: string): {
  declarations: Declaration[];
  issues: { line: number; reason: string }[];
} {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const issues = document.errors.map(({ pos, message }) => ({
      line: lines.linePos(pos[0]).line,
      reason: `is not valid YAML: ${message}`,
    }));
    return { declarations: [], issues };
  }
  const lineOf = (node: unknown) => lines.linePos((node as Node | undefined)?.range?.[0] ?? 0).line;
  const root: unknown = document.contents;
  if (root === null) return { declarations: [], issues: [] };
  const list = isMap(root) && root.items.length === 1 ? (root.get('meters', true) as unknown) : root;
  if (!isSeq(list)) {
    return { declarations: [], issues: [{ line: lineOf(root), reason: 'a list of meters is expected' }] };
  }
  const declarations: Declaration[] = [];
  const issues: { line: number; reason: string }[] = [];
  for (const [index, item] of list.items.entries()) {
    try {
      const value: unknown = (item as Node).toJS(document, { maxAliasCount: aliasesMax });
      const name = isMap(item) ? nameOf(item, index) : `meter ${index + 1}`;
      declarations.push({ value, name, lineOf: (field) => lineOf(isMap(item) ? keyOf(item, field) : item) });
    } catch (error) {
      issues.push({ line: lineOf(item), reason: (error as Error).message });
    }
  }
  return { declarations, issues };
}

function nameOf(item: YAMLMap, index: number): string {
  const slug: unknown = item.get('slug');
  return typeof slug === 'string' && slug !== '' ? slug.slice(0, slugShownLengthMax) : `meter ${index + 1}`;
}

/** The key's node, or the entry. */
function keyOf(item: YAMLMap, field: string): unknown {
  return item.items.find(({ key }) => isScalar(key) && key.value === field)?.key ?? item;
}
