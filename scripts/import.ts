import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { type CsvMapping, eventsOfCsv } from './import/csv.ts';
import { withIds } from './import/ids.ts';
import { eventsOfJsonArray, eventsOfNdjson } from './import/json.ts';
import { Progress } from './import/progress.ts';
import { sendEvents } from './import/send.ts';

const usage = `Sends a file of usage events through the gateway. Running it again changes nothing: ids come from the content.

  bun run import FILE [options]

FILE       .ndjson or .jsonl: a CloudEvent a line; .json: an array of CloudEvents; .csv: a header line, then a row an event
  --url URL              the gateway                                   (default http://127.0.0.1:8000)
  --key KEY              API key with the scope "ingest"               (default $API_KEY)
  --batch N              events a request, 1 to 10000                  (default 500)
  --source TEXT          source of events that have none               (default the file's name)
For CSV:
  --type TEXT            type of every event, or --type-column NAME
  --subject TEXT         subject of every event, or --subject-column NAME
  --time-column NAME     RFC 3339, or "2023-11-16 18:15:46.68" taken as UTC; without it: the time of the import
  --data FIELD=COLUMN    a field of data, as often as needed           (default every other column, under its own name)
`;

const { values, positionals } = readArguments();
const [file] = positionals;
if (!file || values.help) {
  console.log(usage);
  process.exit(file || values.help ? 0 : 2);
}

try {
  const source = values.source ?? basename(file);
  const progress = new Progress(Bun.file(file).size);
  const events = withIds(
    source,
    readEvents(file, (bytes) => progress.read(bytes)),
  );
  const key = values.key ?? process.env.API_KEY;
  const sent = await sendEvents(events, {
    url: values.url,
    key,
    batchEvents: Number(values.batch),
    progress,
  });
  progress.done();
  console.log(`${sent.events} events sent in ${sent.requests} requests, ${sent.waits} times asked to wait.`);
} catch (error) {
  console.error(`\n${(error as Error).message}`);
  process.exit(1);
}

function readEvents(path: string, onBytes: (bytes: number) => void) {
  if (/\.(ndjson|jsonl)$/i.test(path)) return eventsOfNdjson(path, onBytes);
  if (/\.json$/i.test(path)) return eventsOfJsonArray(path, onBytes);
  if (/\.csv$/i.test(path)) return eventsOfCsv(path, mapping(), onBytes);
  throw new Error(`${path}: the name must end in .ndjson, .jsonl, .json or .csv`);
}

function mapping(): CsvMapping {
  const data = (values.data ?? []).map((pair) => {
    const [field, column] = pair.split(/=(.*)/s);
    if (!field || !column) throw new Error(`--data ${pair}: expected FIELD=COLUMN`);
    return { field, column };
  });
  if (!values.type === !values['type-column']) throw new Error('A CSV needs --type or --type-column.');
  if (!values.subject === !values['subject-column'])
    throw new Error('A CSV needs --subject or --subject-column.');
  return {
    type: values.type ? { constant: values.type } : { column: values['type-column']! },
    subject: values.subject ? { constant: values.subject } : { column: values['subject-column']! },
    timeColumn: values['time-column'],
    data,
  };
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:8000' },
        key: { type: 'string' },
        batch: { type: 'string', default: '500' },
        source: { type: 'string' },
        type: { type: 'string' },
        'type-column': { type: 'string' },
        subject: { type: 'string' },
        'subject-column': { type: 'string' },
        'time-column': { type: 'string' },
        data: { type: 'string', multiple: true },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
