/**
 * `bun run audit`: known weaknesses of the dependencies, by the registry's advisories. Not part of `bun run check`, which
 * works without internet. Exit codes: 0 none is known, 1 some are, 2 no audit service could be reached: then nothing is
 * known, which is not the same as nothing found. BUN_CONFIG_REGISTRY chooses another registry.
 */
const root = `${import.meta.dirname}/..`;
const auditMsMax = 60_000;

const child = Bun.spawn([process.execPath, 'audit'], {
  cwd: root,
  stdout: 'pipe',
  stderr: 'pipe',
  timeout: auditMsMax,
});
const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
await child.exited;
const said = `${out}${err}`.trim();
console.log(said);
if (/No vulnerabilities found/i.test(said)) process.exit(0);
if (/\bvulnerabilit(?:y|ies)\b/i.test(said)) process.exit(1);
console.log(
  'The audit service could not be reached: the dependencies were NOT audited. Try again with internet.',
);
process.exit(2);
