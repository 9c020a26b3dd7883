import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import openapiTS, { astToString } from 'openapi-typescript';

/** From the API's description on stdin: generated/api.d.ts, the types that the console's pages use. */
const folder = join(import.meta.dirname, 'generated');
const description = await Bun.stdin.json();
await mkdir(folder, { recursive: true });
await Bun.write(join(folder, 'api.d.ts'), astToString(await openapiTS(description)));
