/**
 * Features of the past for 200,000 rows over 5 million events: our sweep against DuckDB's own window functions, with the
 * same buckets, and against the naive range join. Each runs in a process of its own, from Parquet to Parquet; what they
 * write is compared row by row.
 *
 *     npm run bench:pit [-- --events 5000000 --spine 200000 --engines sweep,windows,join]
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { program } from 'commander';
import { userTransactions } from '../../shared/features/fraud.ts';
import { EmbeddedOfflineStore } from '../../shared/offline/embedded/embedded-offline-store.ts';
import { transactionsService } from '../support/transactions-service.ts';
import { round } from './measure.ts';

const USERS = 50_000;
const MERCHANTS = 5_000;
const START_MILLIS = Date.UTC(2026, 0, 1);
const SPAN_MILLIS = 30 * 24 * 3_600_000;
/** The naive join meets every row with all its user's events of a week; it is given one row of so many. */
const JOIN_SHARE = 20;

const ENGINES = ['sweep', 'sweep-bitemporal', 'windows', 'windows-without-distinct', 'join'] as const;
type Engine = (typeof ENGINES)[number];

interface Workload {
  readonly events: string;
  readonly spine: string;
  readonly directory: string;
}

async function run(sql: string, threads?: string): Promise<void> {
  const connection = await (await DuckDBInstance.create(':memory:', threads ? { threads } : {})).connect();
  await connection.run(sql);
}

async function rowsOf(sql: string): Promise<number[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  const [row = []] = (await connection.runAndReadAll(sql)).getRows();
  return row.map(Number);
}

/** Made once: users and merchants by Zipf's law, times evenly over 30 days, arrivals up to two seconds later. */
async function workloadOf(eventCount: number, spineCount: number): Promise<Workload> {
  const directory = join('.local', 'bench-pit', `${eventCount}-${spineCount}`);
  const events = join(directory, 'transactions.parquet');
  const spine = join(directory, 'spine.parquet');
  if (existsSync(spine)) return { events, spine, directory };
  await mkdir(directory, { recursive: true });
  // Uniform in [0, 1), from the number of the event: the same on every machine and with any number of threads.
  const uniform = (salt: number) => `((hash(i * 16 + ${salt}) >> 11)::DOUBLE / 9007199254740992.0)`;
  await run(`COPY (
    SELECT 't' || i AS transaction_id,
      'user-' || floor(pow(${USERS}, ${uniform(1)}))::INTEGER AS user_id,
      'merchant-' || floor(pow(${MERCHANTS}, ${uniform(2)}))::INTEGER AS merchant_id,
      floor(${uniform(3)} * 50000) / 100 AS amount,
      ${START_MILLIS} + floor(i * (${SPAN_MILLIS}.0 / ${eventCount}))::BIGINT AS "timestamp",
      "timestamp" + 50 + floor(${uniform(4)} * 2000)::BIGINT AS arrived_at
    FROM range(${eventCount}) numbers(i)
  ) TO '${events}' (FORMAT parquet, COMPRESSION zstd)`);
  await run(`COPY (
    SELECT user_id, "timestamp", (hash(transaction_id) % 50 = 0)::INTEGER AS label FROM '${events}'
    WHERE hash(transaction_id || ' in the spine') % ${Math.round(eventCount / spineCount)} = 0
  ) TO '${spine}' (FORMAT parquet, COMPRESSION zstd)`);
  return { events, spine, directory };
}

const WINDOWS = userTransactions.layout.windows;

/** Features that DuckDB's windows have, too: those leave no row's event out. */
const FEATURES = transactionsService.features.filter(({ excludesCurrent }) => !excludesCurrent);

/** Where a window begins at `t`, by the bucket semantics of the product. */
function startOf(window: (typeof WINDOWS)[number], t: string): string {
  return `((${t} // ${window.hopMillis}) * ${window.hopMillis} - ${window.lengthMillis - window.hopMillis})`;
}

/** One window's columns from its count, sum of cents, greatest amount and number of merchants. */
function columnsOf(
  name: string,
  of: { count: string; cents: string; greatest: string; merchants: string | null },
): string[] {
  return [
    `(${of.count})::DOUBLE AS tx_count_${name}`,
    `coalesce((${of.cents})::DOUBLE / 100, 0) AS total_amount_${name}`,
    `(${of.cents})::DOUBLE / (nullif(${of.count}, 0) * 100) AS avg_amount_${name}`,
    `${of.greatest} AS max_amount_${name}`,
    ...(of.merchants === null ? [] : [`(${of.merchants})::DOUBLE AS distinct_merchants_${name}`]),
  ];
}

function windowsSql({ events, spine }: Workload, output: string, withDistinct: boolean): string {
  const columns = WINDOWS.flatMap(({ name }) =>
    columnsOf(name, {
      count: `count(cents) OVER w${name}`,
      cents: `sum(cents) OVER w${name}`,
      greatest: `max(amount) OVER w${name}`,
      merchants: withDistinct ? `count(DISTINCT merchant_id) OVER w${name}` : null,
    }),
  );
  const frames = WINDOWS.map(
    (window) =>
      `w${window.name} AS (PARTITION BY user_id ORDER BY t RANGE BETWEEN (t - ${startOf(window, 't')}) PRECEDING AND CURRENT ROW)`,
  );
  return `COPY (
    SELECT * EXCLUDE (spine_row), spine_row FROM (
      SELECT spine_row, ${columns.join(', ')} FROM (
        SELECT user_id, "timestamp" AS t, amount, round(amount * 100)::BIGINT AS cents, merchant_id, NULL AS spine_row FROM '${events}'
        UNION ALL
        SELECT user_id, "timestamp", NULL, NULL, NULL, file_row_number FROM read_parquet('${spine}', file_row_number = true)
      ) WINDOW ${frames.join(', ')}
    ) WHERE spine_row IS NOT NULL ORDER BY spine_row
  ) TO '${output}' (FORMAT parquet, COMPRESSION zstd)`;
}

/** Every row of a share of the spine with every event of its longest window, then conditional aggregates. */
function joinSql({ events, spine }: Workload, output: string): string {
  const longest = WINDOWS.reduce((left, right) => (left.lengthMillis > right.lengthMillis ? left : right));
  const columns = WINDOWS.flatMap((window) => {
    const inside = `FILTER (x >= ${startOf(window, 't')})`;
    return columnsOf(window.name, {
      count: `count(cents) ${inside}`,
      cents: `sum(cents) ${inside}`,
      greatest: `max(amount) ${inside}`,
      merchants: `count(DISTINCT merchant_id) ${inside}`,
    });
  });
  return `COPY (
    SELECT ${columns.join(', ')}, spine_row FROM (
      SELECT s.file_row_number AS spine_row, s."timestamp" AS t, e."timestamp" AS x, amount, round(amount * 100)::BIGINT AS cents, merchant_id
      FROM read_parquet('${spine}', file_row_number = true) s LEFT JOIN '${events}' e
        ON e.user_id = s.user_id AND e."timestamp" <= s."timestamp" AND e."timestamp" >= ${startOf(longest, 's."timestamp"')}
      WHERE s.file_row_number % ${JOIN_SHARE} = 0
    ) GROUP BY spine_row, t ORDER BY spine_row
  ) TO '${output}' (FORMAT parquet, COMPRESSION zstd)`;
}

/** In a process of its own: makes the training set, and prints how long it took and how much memory. */
async function runEngine(engine: Engine, workload: Workload): Promise<void> {
  const output = outputOf(engine, workload);
  const startedAt = performance.now();
  if (engine === 'sweep' || engine === 'sweep-bitemporal') {
    const { events, spine } = workload;
    const mode = engine === 'sweep' ? 'event-time' : 'bitemporal';
    const history = { transactions: events };
    await new EmbeddedOfflineStore().getHistoricalFeatures({
      service: { ...transactionsService, features: FEATURES },
      mode,
      spine,
      history,
      output,
    });
  } else {
    await run(engine === 'join' ? joinSql(workload, output) : windowsSql(workload, output, engine === 'windows'));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(JSON.stringify({ seconds, peakMegabytes: process.resourceUsage().maxRSS / 1_024 }));
}

function outputOf(engine: Engine, { directory }: Workload): string {
  return join(directory, `${engine}.parquet`);
}

interface Measured {
  readonly seconds: number;
  readonly peakMegabytes: number;
}

async function measure(engine: Engine, eventCount: number, spineCount: number): Promise<Measured> {
  const script = [import.meta.filename, '--events', String(eventCount), '--spine', String(spineCount), '--run', engine];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  const measured = JSON.parse(stdout) as Measured;
  return { seconds: round(measured.seconds, 2), peakMegabytes: Math.round(measured.peakMegabytes) };
}

/** How many rows of an engine's output differ from the sweep's, in any window feature. */
async function differingRows(engine: Engine, workload: Workload): Promise<{ compared: number; differing: number }> {
  const features = FEATURES.map(({ name }) => name).filter(
    (name) => engine !== 'windows-without-distinct' || !name.startsWith('distinct'),
  );
  const differs = features.map((name) => `theirs."${name}" IS DISTINCT FROM ours."${name}"`).join(' OR ');
  const [compared = 0, differing = 0] = await rowsOf(`
    SELECT count(*), count(*) FILTER (${differs}) FROM '${outputOf(engine, workload)}' theirs
    JOIN read_parquet('${outputOf('sweep', workload)}', file_row_number = true) ours ON ours.file_row_number = theirs.spine_row`);
  return { compared, differing };
}

async function main(engines: readonly Engine[], eventCount: number, spineCount: number): Promise<void> {
  const workload = await workloadOf(eventCount, spineCount);
  const results: Record<string, Measured & { ratio?: number; comparedRows?: number; differingRows?: number }> = {};
  for (const engine of engines) {
    const measured = await measure(engine, eventCount, spineCount);
    const sweep = results.sweep;
    const isOurs = engine.startsWith('sweep');
    const { compared, differing } = isOurs ? { compared: 0, differing: 0 } : await differingRows(engine, workload);
    results[engine] = {
      ...measured,
      ...(sweep && { ratio: round(measured.seconds / sweep.seconds, 1) }),
      ...(!isOurs && { comparedRows: compared, differingRows: differing }),
    };
    console.log(`${engine}: ${measured.seconds} s, peak ${measured.peakMegabytes} MB`);
  }
  console.table(results);
  console.log(JSON.stringify({ events: eventCount, spineRows: spineCount, joinShare: `1/${JOIN_SHARE}`, results }));
  const isWrong = Object.values(results).some((result) => (result.differingRows ?? 0) > 0);
  process.exitCode = isWrong ? 1 : 0;
}

program
  .name('bench:pit')
  .description('Features of the past: our sweep against the window SQL and the range join of DuckDB.')
  .option('--events <count>', 'transactions in history', '5000000')
  .option('--spine <count>', 'rows that want features, roughly', '200000')
  .option('--engines <names>', `which to run, of ${ENGINES.join(', ')}`, ENGINES.join(','))
  .option('--run <engine>', 'run one engine in this process')
  .parse();
const options = program.opts<{ events: string; spine: string; engines: string; run?: Engine }>();
const [eventCount, spineCount] = [Number(options.events), Number(options.spine)];
if (options.run) await runEngine(options.run, await workloadOf(eventCount, spineCount));
else {
  const engines = ENGINES.filter((engine) => options.engines.split(',').includes(engine));
  await main(engines, eventCount, spineCount);
}
