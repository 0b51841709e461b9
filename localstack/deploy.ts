/** `cdk bootstrap` and `cdk deploy` of the local stage to an endpoint, with a short progress instead of pages. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { withCode } from '../cli/errors.ts';
import { explainAws } from '../cli/explain-aws.ts';
import { jsonText } from '../shared/definitions/json-text.ts';
import { LOCAL_DIRECTORY, LocalEnvironmentError, PROJECT_ROOT, runLogged } from './child-process.ts';
import { ACCOUNT, environmentOf, REGION } from './endpoint.ts';

/** Whatever else a user of this repository declares and configures. */
export const EXAMPLE = join(PROJECT_ROOT, 'shared/features/index.ts');
const CDK = join(PROJECT_ROOT, 'node_modules', '.bin', 'cdk');

const nameBySource = jsonText(z.record(z.string(), z.string()));

/** The outputs of both stacks, by their names. */
const stackOutputs = z.object({
  ApiUrl: z.url(),
  CallerPolicyArns: nameBySource.optional(),
  OnlineTableName: z.string(),
  QuarantineBucketName: z.string(),
  HistoryBucketName: z.string(),
  DecisionsBucketName: z.string(),
  StreamNames: nameBySource,
  ConsumerFunctionNames: nameBySource,
  LandingFunctionNames: nameBySource,
  AuditFunctionName: z.string().optional(),
  RegistryVersion: z.string(),
});

/** What was deployed, and where it is reached from this machine. */
export interface Deployment {
  readonly endpoint: string;
  /** Without a slash at the end. */
  readonly apiUrl: string;
  readonly tableName: string;
  readonly quarantineBucketName: string;
  readonly historyBucketName: string;
  /** Of configurations and models. */
  readonly decisionsBucketName: string;
  /** By name of the source. */
  readonly streamNames: Readonly<Record<string, string>>;
  readonly consumerFunctionNames: Readonly<Record<string, string>>;
  /** Empty where history is not landed. */
  readonly landingFunctionNames: Readonly<Record<string, string>>;
  /** None where nothing lands. */
  readonly auditFunctionName?: string | undefined;
  readonly registryVersion: string;
  /** What a caller may do → the managed policy that permits it; empty where requests are not signed. */
  readonly callerPolicyArns: Readonly<Record<string, string>>;
}

export interface LocalDeploymentOptions {
  readonly endpoint: string;
  /** One short line at a time, such as `Stateless: 12 of 31 resources`. */
  readonly onProgress: (line: string) => void;
  /** Something was deployed there before. */
  readonly isBootstrapped?: boolean;
  /** Where `cdk` works; deployments that run at once need one each. Default `.local`. */
  readonly directory?: string;
  /** Default: what the local stage says. */
  readonly landsHistory?: boolean;
  /** Requests to the API have to be signed, where the endpoint checks that. */
  readonly authorization?: 'iam';
  /** Of the lander of this run, in place of delivery streams. */
  readonly landerUrl?: string;
  /** Module that exports the `repository` to deploy. Default: the example of this repository. */
  readonly features?: string;
}

/** @throws LocalEnvironmentError with the reason, or the end of the log, when `cdk` fails, or naming the outputs that are missing. */
export async function deployLocally(options: LocalDeploymentOptions): Promise<Deployment> {
  const { endpoint, onProgress, directory = LOCAL_DIRECTORY } = options;
  const outputsFile = join(directory, 'outputs.json');
  await mkdir(directory, { recursive: true });
  // What an earlier deployment wrote must not be taken for this one's.
  await Promise.all([rm(outputsFile, { force: true }), rm(logFileIn(directory), { force: true })]);
  if (options.isBootstrapped !== true) {
    onProgress('preparing the endpoint (cdk bootstrap)');
    await cdk(options, ['bootstrap', `aws://${ACCOUNT}/${REGION}`], () => {});
  }
  onProgress('bundling the functions (cdk synth)');
  const deploy = ['deploy', '--all', '--require-approval', 'never', '--progress', 'events'];
  await cdk(options, [...deploy, '--outputs-file', outputsFile], (line) => {
    const progress = resourceProgressOf(line);
    if (progress !== undefined) onProgress(progress);
  });
  return parseOutputs(endpoint, await readFile(outputsFile, 'utf8'));
}

function logFileIn(directory: string): string {
  return join(directory, 'deploy.log');
}

async function cdk(
  {
    endpoint,
    directory = LOCAL_DIRECTORY,
    landsHistory,
    landerUrl,
    authorization,
    features = EXAMPLE,
  }: LocalDeploymentOptions,
  argumentList: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  await runLogged({
    name: `cdk ${argumentList[0]}`,
    command: CDK,
    arguments: [
      ...argumentList,
      '-c',
      'stage=local',
      '-c',
      'checksTypes=false',
      ...(landsHistory === undefined ? [] : ['-c', `landsHistory=${landsHistory}`]),
      ...(authorization === undefined ? [] : ['-c', `authorization=${authorization}`]),
      ...(landerUrl === undefined ? [] : ['-c', `landerUrl=${landerUrl}`]),
      '-c',
      `features=${resolve(features)}`,
      '--output',
      join(directory, 'cdk.out'),
      '--no-notices',
      '--ci',
    ],
    // Rules of AWS would be checked, for as long as all the rest of a synthesis takes.
    environment: { ...environmentOf(endpoint), CDK_DISABLE_CLI_TELEMETRY: 'true', CDK_VALIDATION: 'false' },
    logFile: logFileIn(directory),
    onLine,
  }).catch((error: unknown) => {
    throw explainedDeployment(error, `cdk ${argumentList[0]}`, logFileIn(directory));
  });
}

/** A failure of `cdk` that many have, in one sentence in place of the end of its log; any other as it is. */
export function explainedDeployment(error: unknown, name: string, logFile: string): unknown {
  const explained = error instanceof LocalEnvironmentError ? explainAws(error.message) : undefined;
  if (explained === undefined) return error;
  const sentence = withCode(explained.message, explained.code);
  return new LocalEnvironmentError(`${name} failed: ${sentence}\nAll of its output is in ${logFile}`, { cause: error });
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
      `The stacks do not have the outputs that a local run needs:\n${z.prettifyError(parsed.error)}`,
    );
  }
  const outputs = parsed.data;
  return {
    endpoint,
    apiUrl: outputs.ApiUrl,
    tableName: outputs.OnlineTableName,
    quarantineBucketName: outputs.QuarantineBucketName,
    historyBucketName: outputs.HistoryBucketName,
    decisionsBucketName: outputs.DecisionsBucketName,
    streamNames: outputs.StreamNames,
    consumerFunctionNames: outputs.ConsumerFunctionNames,
    landingFunctionNames: outputs.LandingFunctionNames,
    auditFunctionName: outputs.AuditFunctionName,
    registryVersion: outputs.RegistryVersion,
    callerPolicyArns: outputs.CallerPolicyArns ?? {},
  };
}
