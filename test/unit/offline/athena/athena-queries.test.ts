import {
  AthenaClient,
  AthenaServiceException,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { AthenaQueries } from '../../../../shared/offline/athena/athena-queries.ts';

const athena = mockClient(AthenaClient);
let waits: number[] = [];

const queriesThat = (options: { reuseMinutes: number; delay?: (millis: number) => Promise<unknown> }) =>
  new AthenaQueries({
    client: new AthenaClient({ region: 'eu-central-1' }),
    workgroup: 'a-workgroup',
    database: 'a_database',
    delay: async (millis) => waits.push(millis),
    ...options,
  });
const queries = queriesThat({ reuseMinutes: 0 });

beforeEach(() => {
  athena.reset();
  waits = [];
  athena.on(StartQueryExecutionCommand).resolves({ QueryExecutionId: 'query-1' });
});

/** What Athena says of the query, look by look; the last is said for ever. */
function executions(...answers: QueryExecution[]): void {
  const last = answers.at(-1) ?? {};
  const behaviour = athena.on(GetQueryExecutionCommand);
  for (const answer of answers.slice(0, -1)) behaviour.resolvesOnce({ QueryExecution: answer });
  behaviour.resolves({ QueryExecution: last });
}

const SUCCEEDED: QueryExecution = { Status: { State: 'SUCCEEDED' }, Statistics: { DataScannedInBytes: 4_096 } };
const columnInfo = ['user', 'count'].map((Name) => ({ Name, Type: 'varchar' }));
const row = (...values: (string | undefined)[]) => ({ Data: values.map((VarCharValue) => ({ VarCharValue })) });

describe('queries over Athena', () => {
  it('waits longer and longer, and reads all pages without the header', async () => {
    executions(...Array.from({ length: 6 }, () => ({ Status: { State: 'RUNNING' as const } })), SUCCEEDED);
    athena
      .on(GetQueryResultsCommand)
      .resolvesOnce({
        NextToken: 'more',
        ResultSet: { ResultSetMetadata: { ColumnInfo: columnInfo }, Rows: [row('user', 'count'), row('a', '1')] },
      })
      .resolves({
        ResultSet: { ResultSetMetadata: { ColumnInfo: columnInfo }, Rows: [row('user', 'count'), row(undefined, '')] },
      });

    const result = await queries.run('SELECT 1');

    expect(result).toEqual({
      queryId: 'query-1',
      columns: ['user', 'count'],
      // On later pages nothing is a header, even if it looks like one.
      rows: [
        ['a', '1'],
        ['user', 'count'],
        [null, ''],
      ],
      bytesScanned: 4_096,
      reused: false,
    });
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 2_000]);
    expect(athena.commandCalls(GetQueryResultsCommand)[1]?.args[0].input.NextToken).toBe('more');
  });

  it('has no rows when the query answers elsewhere', async () => {
    executions(SUCCEEDED);
    athena.on(GetQueryResultsCommand).resolves({ ResultSet: { ResultSetMetadata: { ColumnInfo: [] }, Rows: [] } });
    expect(await queries.run('UNLOAD …')).toMatchObject({ columns: [], rows: [] });
  });

  it.each([
    [0, { Enabled: false }],
    [60, { Enabled: true, MaxAgeInMinutes: 60 }],
  ])('takes answers that are %i minutes old', async (reuseMinutes, ResultReuseByAgeConfiguration) => {
    executions({
      ...SUCCEEDED,
      Statistics: { ResultReuseInformation: { ReusedPreviousResult: reuseMinutes > 0 } },
    });
    const run = await queriesThat({ reuseMinutes }).execute('SELECT 1');
    expect(run).toEqual({ queryId: 'query-1', bytesScanned: 0, reused: reuseMinutes > 0 });
    expect(athena.commandCalls(StartQueryExecutionCommand)[0]?.args[0].input).toEqual({
      QueryString: 'SELECT 1',
      WorkGroup: 'a-workgroup',
      QueryExecutionContext: { Database: 'a_database' },
      ResultReuseConfiguration: { ResultReuseByAgeConfiguration },
    });
  });

  it.each<[string, boolean, NonNullable<QueryExecution['Status']>]>([
    ['AthenaQueryError', false, { State: 'FAILED', StateChangeReason: 'COLUMN_NOT_FOUND: line 1:8' }],
    [
      'AthenaQueryError',
      true,
      { State: 'FAILED', StateChangeReason: 'COLUMN_NOT_FOUND: line 1:8', AthenaError: { Retryable: true } },
    ],
    ['AthenaQueryCancelledError', true, { State: 'CANCELLED', StateChangeReason: 'Query was cancelled by user' }],
    ['AthenaQueryCancelledError', false, { State: 'CANCELLED', StateChangeReason: 'Bytes scanned limit was exceeded' }],
  ])('throws %s (retryable: %s) with the reason and the id', async (name, retryable, status) => {
    executions({ Status: status });
    await expect(queries.run('SELECT nothing')).rejects.toMatchObject({
      name,
      retryable,
      queryId: 'query-1',
      message: expect.stringMatching(`${status.StateChangeReason} \\(query query-1\\)$`),
    });
  });

  it.each([
    ['AthenaThrottledError', true, refusal('TooManyRequestsException', 'client')],
    ['AthenaThrottledError', true, refusal('ThrottlingException', 'client')],
    ['AthenaUnavailableError', true, refusal('InternalServerException', 'server')],
    ['AthenaUnavailableError', true, Object.assign(new Error('socket hang up'), { name: 'TimeoutError' })],
    ['AthenaQueryError', false, refusal('InvalidRequestException', 'client')],
  ])('throws %s (retryable: %s) when it cannot begin', async (name, retryable, error) => {
    athena.on(StartQueryExecutionCommand).rejects(error);
    await expect(queries.run('SELECT 1')).rejects.toMatchObject({ name, retryable, queryId: undefined, cause: error });
  });

  it('stops the query that nobody waits for', async () => {
    const abort = new AbortController();
    executions({ Status: { State: 'RUNNING' } });
    const impatient = queriesThat({ reuseMinutes: 0, delay: async () => abort.abort(new Error('out of time')) });
    await expect(impatient.run('SELECT 1', abort.signal)).rejects.toThrow('out of time');
    expect(athena.commandCalls(StopQueryExecutionCommand).map(({ args }) => args[0].input)).toEqual([
      { QueryExecutionId: 'query-1' },
    ]);
  });
});

function refusal(name: string, $fault: 'client' | 'server'): AthenaServiceException {
  return new AthenaServiceException({ name, $fault, $metadata: {}, message: name });
}
