export const usage = `Sends a file of usage events through the gateway.

  bun run import FILE [options]
  bun run import PLACE --watch SECONDS [options]

FILE       .ndjson or .jsonl: a CloudEvent a line; .json: an array of CloudEvents; .csv or .tsv: a header, then a row an event;
           .parquet: a row an event, with the options for tables, or in the columns that bun run export writes
PLACE      a folder, or s3://bucket/prefix (S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_REGION)

The whole file is read and checked first. What can't be understood is refused with its line, and nothing is sent.
Running it again changes nothing, however much later: rows without an id get one made of their content, and the database
is asked which of them it has. It forgets only what its retention drops (EVENT_RETENTION_DAYS); you are asked then.

  --url URL              the gateway                                   (default http://127.0.0.1:8000)
  --key KEY              API key with the scope "ingest"; with "read" as well it is checked which events count
                                                                       (default $API_KEY)
  --batch N              events a request, 1 to 10000                  (default 500)
  --source TEXT          source of events that have none               (default the file's name)
  --dry-run              sends nothing: prints the first events, counts and sums
  --skip-invalid         leaves refused rows out and sends the others; exit code 3
  --report FILE          writes every refused row there, as CSV: line, reason
  --watch SECONDS        goes on for ever, imports each file that comes into the place, and writes what became of it beside
                         it (NAME.imported.json, NAME.refused.json); CSV files where there are options for tables, else NDJSON
                         and JSON; Parquet files always
  --allow-uncounted      sends events too that a meter of their type can't measure; exit code 3
  --resume               events without a time: those that are stored already are from an interrupted run of this file
  --first-import         this file was never imported before; lifts what is asked after a retention
  --encoding NAME        utf-8, windows-1252, utf-16le, … (default by the byte order mark, else utf-8)
For tables (CSV, Parquet):
  --type TEXT            type of every event, or --type-column NAME
  --subject TEXT         subject of every event, or --subject-column NAME
  --id-column NAME       ids of the events, each once; without it they are made of the rows
  --time-column NAME     as databases, spreadsheets and APIs write times, or seconds, ms, µs, ns since 1970; without it
                         the time of the import
  --time-zone ZONE       of times without an offset, such as Europe/Berlin               (default UTC)
  --date-order dmy|mdy   what 11/01/2026 means; such times are refused without it
  --data FIELD=COLUMN    a field of data, as often as needed; --data COLUMN under its own name
                                                                       (default every other column)
  --number COLUMN        its cells are numbers, as often as needed; all other cells go as the texts that they are, which
                         meters read as well where they are plain numbers (1234.5)
  --decimal . or ,       in number columns                             (default .)
  --thousands SIGN       between thousands in number columns: , . ' or a blank
  --currency             in number columns: leaves $ € £ EUR … off
  --text COLUMN          its cells are texts even where they look like numbers with signs ("1,234", "$5")
  --delimiter SIGN       , ; | or tab                                  (default the one that fits)
  --header-line N        the line with the names of the columns        (default 1)
  --stray-quotes keep    quotes inside a cell that doesn't begin with one are part of it
  --totals skip|keep     rows named "Total": left out, or usage        (default refused)

Exit code: 0 all of it is stored or on its way, 1 refused or failed, 2 wrong options, 3 sent, but not all rows, or not all count
`;

/** As node:util reads them; those from `type` on are for tables. */
export const flags = {
  url: { type: 'string', default: 'http://127.0.0.1:8000' },
  key: { type: 'string' },
  batch: { type: 'string', default: '500' },
  source: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  'skip-invalid': { type: 'boolean', default: false },
  report: { type: 'string' },
  watch: { type: 'string' },
  'allow-uncounted': { type: 'boolean', default: false },
  resume: { type: 'boolean', default: false },
  'first-import': { type: 'boolean', default: false },
  encoding: { type: 'string' },
  type: { type: 'string' },
  'type-column': { type: 'string' },
  subject: { type: 'string' },
  'subject-column': { type: 'string' },
  'id-column': { type: 'string' },
  'time-column': { type: 'string' },
  'time-zone': { type: 'string' },
  'date-order': { type: 'string' },
  data: { type: 'string', multiple: true },
  number: { type: 'string', multiple: true },
  decimal: { type: 'string' },
  thousands: { type: 'string' },
  currency: { type: 'boolean', default: false },
  text: { type: 'string', multiple: true },
  delimiter: { type: 'string' },
  'header-line': { type: 'string' },
  'stray-quotes': { type: 'string' },
  totals: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;
