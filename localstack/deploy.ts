/** `cdk bootstrap` and `cdk deploy` of the local stage to an endpoint, with a short progress instead of pages. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { LOCAL_DIRECTORY, LocalEnvironmentError, PROJECT_ROOT, runLogged } from './child-process.ts';
import { ACCOUNT, environmentOf, REGION } from './endpoint.ts';

const CDK = join(PROJECT_ROOT, 'node_modules', '.bin', 'cdk');
const OUTPUTS_FILE = join(LOCAL_DIRECTORY, 'outputs.json');
const LOG_FILE = join(LOCAL_DIRECTORY, 'deploy.log');

const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('must be JSON text');
    return z.NEVER;
  }
});
const nameBySource = jsonText.pipe(z.record(z.string(), z.string()));

/** The outputs of both stacks, by their names. */
const stackOutputs = z.object({
  ApiId: z.string(),
  OnlineTableName: z.string(),
  QuarantineBucketName: z.string(),
  StreamNames: nameBySource,
  ConsumerFunctionNames: nameBySource,
  RegistryVersion: z.string(),
});

/** What was deployed, and where it is reached from this machine. */
export interface Deployment {
  readonly endpoint: string;
  /** Without a slash at the end. */
  readonly apiUrl: string;
  readonly tableName: string;
  readonly quarantineBucketName: string;
  /** By name of the source. */
  readonly streamNames: Readonly<Record<string, string>>;
  readonly consumerFunctionNames: Readonly<Record<string, string>>;
  readonly registryVersion: string;
}

/**
 * @param options.onProgress one short line at a time, such as `Stateless: 12 of 31 resources`.
 * @throws LocalEnvironmentError with the end of the log when `cdk` fails, or naming the outputs that are missing.
 */
export async function deployLocally(options: {
  readonly endpoint: string;
  readonly onProgress: (line: string) => void;
}): Promise<Deployment> {
  const { endpoint, onProgress } = options;
  // What an earlier deployment wrote must not be taken for this one's.
  await Promise.all([rm(OUTPUTS_FILE, { force: true }), rm(LOG_FILE, { force: true })]);
  onProgress('preparing the endpoint (cdk bootstrap)');
  await cdk(endpoint, ['bootstrap', `aws://${ACCOUNT}/${REGION}`], () => {});
  onProgress('bundling the functions (cdk synth)');
  const deploy = ['deploy', '--all', '--require-approval', 'never', '--progress', 'events'];
  await cdk(endpoint, [...deploy, '--outputs-file', OUTPUTS_FILE], (line) => {
    const progress = resourceProgressOf(line);
    if (progress !== undefined) onProgress(progress);
  });
  return parseOutputs(endpoint, await readFile(OUTPUTS_FILE, 'utf8'));
}

async function cdk(endpoint: string, argumentList: readonly string[], onLine: (line: string) => void): Promise<void> {
  await runLogged({
    name: `cdk ${argumentList[0]}`,
    command: CDK,
    arguments: [
      ...argumentList,
      '-c',
      'stage=local',
      '--output',
      join(LOCAL_DIRECTORY, 'cdk.out'),
      '--no-notices',
      '--ci',
    ],
    environment: { ...environmentOf(endpoint), CDK_DISABLE_CLI_TELEMETRY: 'true' },
    logFile: LOG_FILE,
    onLine,
  });
}

/** `FeatureStore-local-Stateless | 12/31 | …` → `Stateless: 12 of 31 resources`; nothing for other lines of `cdk`. */
export function resourceProgressOf(line: string): string | undefined {
  const [, stack, done, total] = /^\S*?([^\s|-]+)\s*\|\s*(\d+)\/(\d+)\s*\|/.exec(line) ?? [];
  return stack === undefined ? undefined : `${stack}: ${done} of ${total} resources`;
}

/** @param text what `cdk deploy --outputs-file` wrote: stack name → output name → value. */
export function parseOutputs(endpoint: string, text: string): Deployment {
  const byStack = z.record(z.string(), z.record(z.string(), z.string())).parse(JSON.parse(text));
  const parsed = stackOutputs.safeParse(Object.assign({}, ...Object.values(byStack)));
  if (!parsed.success) {
    throw new LocalEnvironmentError(
      `The stacks do not have the outputs that a local run needs; see ${OUTPUTS_FILE}\n${z.prettifyError(parsed.error)}`,
    );
  }
  const outputs = parsed.data;
  return {
    endpoint,
    // Host names under execute-api.localhost do not resolve everywhere; this path is the same API.
    apiUrl: `${endpoint}/_aws/execute-api/${outputs.ApiId}/$default`,
    tableName: outputs.OnlineTableName,
    quarantineBucketName: outputs.QuarantineBucketName,
    streamNames: outputs.StreamNames,
    consumerFunctionNames: outputs.ConsumerFunctionNames,
    registryVersion: outputs.RegistryVersion,
  };
}
