/**
 * `bun docker/healthcheck.ts PORT CHECK…`: asks /health/CHECK of the app in this container; exits with 0 when every
 * check is well. The slim image has neither curl nor wget.
 */
const answerMsMax = 3_000;
const [port, ...checks] = process.argv.slice(2);

// Docker gives every container the proxies of its client's configuration; this request stays in the container.
process.env.NO_PROXY = '*';
process.env.no_proxy = '*';
for (const check of checks) {
  try {
    const url = `http://127.0.0.1:${port}/health/${check}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(answerMsMax) });
    if (response.ok) continue;
    fail(`${check}: ${await response.text()}`);
  } catch (error) {
    fail(`${check}: ${(error as Error).message}`);
  }
}

/** Docker keeps the line: `docker inspect --format '{{json .State.Health}}'`. */
function fail(reason: string): never {
  console.error(reason);
  process.exit(1);
}
