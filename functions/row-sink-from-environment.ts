import type { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { FirehoseClient } from '@aws-sdk/client-firehose';
import * as z from 'zod';
import { clientConfiguration } from './aws-clients.ts';
import { ENV, ROW_METRICS } from './constants.ts';
import { FirehoseRowSink, type RowReport, type RowSink } from './row-sink.ts';

/**
 * One put, milliseconds: megabytes at most, and nobody waits for it. An environment that is frozen in the middle of one
 * finds it timed out when it goes on, and puts its rows again.
 */
const REQUEST_TIMEOUT_MILLIS = 5_000;

/** The sink that the environment describes; none where history is not landed. */
export function rowSinkFromEnvironment(parts: {
  readonly serviceName: string;
  readonly logger: Pick<Logger, 'warn'>;
}): RowSink | undefined {
  const json = process.env[ENV.rowStreamNames];
  if (json === undefined) return undefined;
  return new FirehoseRowSink({
    client: new FirehoseClient(clientConfiguration({ requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS })),
    streamNames: z.record(z.string(), z.string()).parse(JSON.parse(json)),
    report: rowReport(parts),
  });
}

/** Metrics and warnings: how many rows of which table, never what is in them. */
export function rowReport({
  serviceName,
  logger,
}: {
  readonly serviceName: string;
  readonly logger: Pick<Logger, 'warn'>;
}): RowReport {
  // Its own, so that the function's other metrics keep their dimensions.
  const metrics = new Metrics({ serviceName });
  const count = (name: keyof typeof ROW_METRICS, table: string, rows: number) => {
    metrics.addDimension('table', table).addMetric(ROW_METRICS[name], MetricUnit.Count, rows);
    metrics.publishStoredMetrics();
  };
  return {
    lost: (table, rows) => {
      count('rowsLost', table, rows);
      logger.warn('Rows of the history are lost', { table, rows });
    },
    refused: (table, { rows, reason }) => {
      count('rowsRefused', table, rows);
      logger.warn('Rows of the history were refused, and wait to be sent again', { table, rows, reason });
    },
  };
}
