/** CSV where it is asked for at least as much as JSON. */
export function formatOf(accept: string | null): 'json' | 'csv' {
  const quality = { json: -1, csv: -1 };
  for (const part of (accept ?? '*/*').split(',')) {
    const [type = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const q = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    if (type === 'text/csv' || type === 'text/*') quality.csv = Math.max(quality.csv, q);
    if (type === 'application/json' || type === 'application/*') quality.json = Math.max(quality.json, q);
  }
  return quality.csv > 0 && quality.csv >= quality.json ? 'csv' : 'json';
}
