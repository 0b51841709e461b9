/** What may go wrong for whoever calls a command: one code for each kind, printed after its sentence. */
import { DefinitionError } from '../shared/definitions/error.ts';
import { AuditSourceError } from '../shared/offline/audit/audit-source.ts';
import { HistoryError } from '../shared/offline/embedded/errors.ts';
import { SpineError } from '../shared/offline/offline-store.ts';
import { FeaturesModuleError } from '../shared/registry/load-repository.ts';
import { StoreConfigError } from '../shared/registry/store-config.ts';
import { ConfigurationError } from '../shared/scoring/configuration.ts';
import { ObjectTooLargeError } from '../shared/scoring/decision-store.ts';
import { ModelPackageError } from '../shared/scoring/package.ts';
import { type AwsFailure, explainAws } from './explain-aws.ts';
import { UserError } from './user-error.ts';

interface ErrorKind {
  readonly means: string;
  readonly fix: string;
}

type OwnCode =
  | 'usage'
  | 'request'
  | 'features-module'
  | 'definition'
  | 'store-config'
  | 'spine'
  | 'history'
  | 'served-rows'
  | 'configuration'
  | 'model-package'
  | 'object-too-large';

export type ErrorCode = OwnCode | AwsFailure;

/** docs/errors.md is the same table for people; a test holds them against each other. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorKind>> = {
  usage: {
    means:
      'The command line has an unknown command or option, lacks a required one, or has a value that cannot be one.',
    fix: 'Look at the `--help` of the command; it ends with an example.',
  },
  request: {
    means: 'What was asked for cannot be done as asked: a file, a name, or two options that do not go together.',
    fix: 'Do what the sentence says. Nothing was changed, unless it says so.',
  },
  'features-module': {
    means: 'The module of declarations is not there, cannot be loaded, or exports no `repository`.',
    fix: 'Name it with `--features`; it ends with `export const repository = featureRepository({ views, services })`.',
  },
  definition: {
    means: 'A declaration of the module, or a duration on the command line, means nothing.',
    fix: 'Correct what the sentence names: a view, a service, a field, a window.',
  },
  'store-config': {
    means: 'There is no `feature-store.config.ts` where it is looked for, or a field of it is none.',
    fix: 'Write one beside the declarations, correct what is named, or name the declarations with `--features`.',
  },
  spine: {
    means: 'The rows for which a training set is wanted cannot be used.',
    fix: 'Write Parquet with the join keys and `timestamp`, each of the type that the sentence names.',
  },
  history: {
    means: 'The history of a source is not given, cannot be read, or lacks a column.',
    fix: 'Give `--history source=FOLDER` for each source, as `import` or a deployment wrote it.',
  },
  'served-rows': {
    means: 'What was served, or its history, cannot be read for an audit.',
    fix: 'Give the folder or prefix `served_rows` of the bucket of history, and history of every source.',
  },
  configuration: {
    means: 'A configuration of decisions has a field, rule, list, threshold or model that the service does not have.',
    fix: 'Correct the field that is named. The active configuration has not changed.',
  },
  'model-package': {
    means: 'A model or its package cannot be used, or would not score as it did in training.',
    fix: 'Package it again with `model package`, or train it again where a definition has changed.',
  },
  'object-too-large': {
    means: 'An object of the bucket of decisions is larger than serving functions read.',
    fix: 'Put a smaller one there; `docs/models.md` has the limits.',
  },
  'aws-no-credentials': {
    means: 'No credentials of AWS were found.',
    fix: '`aws sso login`, or set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.',
  },
  'aws-expired-credentials': {
    means: 'The credentials, or the session that they belong to, have expired.',
    fix: 'Sign in again, such as by `aws sso login`.',
  },
  'aws-invalid-credentials': {
    means: 'AWS does not know the credentials, or the signature is of another secret.',
    fix: 'Look at `AWS_PROFILE` and `AWS_ACCESS_KEY_ID`; local endpoints take any, AWS takes none of theirs.',
  },
  'aws-no-region': {
    means: 'No region is set.',
    fix: 'Set `AWS_REGION`.',
  },
  'aws-other-region': {
    means: 'The bucket is in another region than the one that is set.',
    fix: 'Set `AWS_REGION` to its region.',
  },
  'aws-access-denied': {
    means: 'The credentials do not permit an action.',
    fix: 'Permit the action that is named to their user or role; where none is named, look at the bucket policy, too.',
  },
  'aws-no-bucket': {
    means: 'There is no bucket of that name.',
    fix: 'The output `DecisionsBucketName` or `HistoryBucketName` of the stateful stack names it.',
  },
  'aws-no-table': {
    means: 'There is no table of that name in that account and region.',
    fix: 'The output `OnlineTableName` of the stateful stack names it; look at `AWS_REGION`.',
  },
  'aws-unreachable': {
    means: 'Nothing answers at the address.',
    fix: 'Start what should listen there, and look at `--endpoint`, `AWS_ENDPOINT_URL` and the network.',
  },
  'aws-not-bootstrapped': {
    means: 'The account and region were never prepared for cdk.',
    fix: 'Run `npm run cdk -- bootstrap aws://ACCOUNT/REGION` once.',
  },
  'aws-quota': {
    means: 'A quota of the account is reached; new accounts have small ones.',
    fix: 'Ask for more in Service Quotas, or delete what is not needed.',
  },
  'aws-throttled': {
    means: 'AWS asks for fewer requests.',
    fix: 'Try again later; `backfill` takes a lower `--concurrency`.',
  },
  'aws-failed': {
    means: 'AWS failed, or its answer was lost.',
    fix: 'Run the command again: what is done is not done twice.',
  },
  'aws-refused': {
    means: 'AWS refuses the request for another reason, which is printed.',
    fix: 'Do what the reason says.',
  },
};

const CODES = [
  [UserError, 'request'],
  [SpineError, 'spine'],
  [HistoryError, 'history'],
  [DefinitionError, 'definition'],
  [FeaturesModuleError, 'features-module'],
  [StoreConfigError, 'store-config'],
  [AuditSourceError, 'served-rows'],
  [ConfigurationError, 'configuration'],
  [ModelPackageError, 'model-package'],
  [ObjectTooLargeError, 'object-too-large'],
] as const;

/** What the user is told of an error, without a stack, which would only hide it; nothing of a defect. */
export function toldOf(error: unknown): string | undefined {
  const [, own] = CODES.find(([type]) => error instanceof type) ?? [];
  if (error instanceof Error && own !== undefined) return withCode(error.message, own);
  const explained = explainAws(error);
  return explained && withCode(explained.message, explained.code);
}

export function withCode(sentence: string, code: ErrorCode): string {
  return `${sentence} [${code}]`;
}
