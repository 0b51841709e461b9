/** What somebody at a keyboard can do about AWS's common failures, in one sentence. */
import { ServiceException } from '@smithy/core/client';
import { awsErrorKind } from '../shared/aws-errors.ts';

interface Failure {
  /** Of what is told: `name: message` of an error, or lines of a log. */
  readonly pattern: RegExp;
  readonly sentence: (found: string, text: string) => string;
}

/** With the address, where it is named. */
const NETWORK_ERROR =
  /(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET)(?: [\w.:-]+)?|TimeoutError/;

/** The first that fits counts. */
const FAILURES = {
  'aws-not-bootstrapped': {
    pattern: /\/cdk-bootstrap\/|Has the environment been bootstrapped/,
    sentence: () =>
      'the account and region are not prepared for cdk; run once: npm run cdk -- bootstrap aws://ACCOUNT/REGION',
  },
  'aws-no-region': {
    pattern: /Region is missing/,
    sentence: () => 'no AWS region is set; set AWS_REGION, such as AWS_REGION=eu-central-1',
  },
  'aws-other-region': {
    pattern: /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint/,
    sentence: () => 'it is in another region; set AWS_REGION to its own',
  },
  'aws-expired-credentials': {
    pattern:
      /ExpiredToken|RequestExpired|(?:session|token)(?: \w+){0,5} (?:has|is|have) expired|expired (?:session|token)/i,
    sentence: () => 'the AWS credentials have expired; sign in again, such as by aws sso login',
  },
  'aws-no-credentials': {
    pattern:
      /CredentialsProviderError|Could not load credentials|no credentials have been configured|resolve AWS account/,
    sentence: () =>
      'there are no AWS credentials; sign in, such as by aws sso login, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  },
  'aws-invalid-credentials': {
    pattern:
      /UnrecognizedClientException|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|InvalidSignatureException|MissingAuthenticationToken/,
    sentence: (found) =>
      `AWS does not accept the credentials (${found}); sign in again, and look at AWS_PROFILE and AWS_ACCESS_KEY_ID, which may be of another account`,
  },
  'aws-throttled': {
    pattern: /ThrottlingException|SlowDown|RequestLimitExceeded|ProvisionedThroughputExceeded|Rate exceeded/,
    sentence: (found) => `AWS throttles the requests (${found}); try again later, with fewer at a time`,
  },
  'aws-quota': {
    pattern: /LimitExceeded|ServiceQuotaExceeded|TooManyRequests|less than or equal to 3008/,
    sentence: (found) =>
      found.endsWith('3008')
        ? 'functions of this account may have 3,008 MB of memory at most; ask for more in Service Quotas, or give them less'
        : `a quota of the AWS account is reached (${found}); ask for more in Service Quotas, or delete what is not needed`,
  },
  'aws-access-denied': {
    pattern: /AccessDenied|not authorized to perform|UnauthorizedOperation|(?:403|^|: )\s?Forbidden\b/m,
    sentence: (_found, text) => {
      const [, action] = /not authorized to perform:? ?([\w-]+:\w+)/.exec(text) ?? [];
      return action === undefined
        ? 'AWS denies access without naming the action; look at the policies of these credentials, and of the resource'
        : `AWS denies ${action}; permit it to the user or role of these credentials`;
    },
  },
  'aws-no-bucket': {
    pattern: /NoSuchBucket/,
    sentence: () =>
      'there is no such bucket; the outputs DecisionsBucketName and HistoryBucketName name those that were deployed',
  },
  'aws-no-table': {
    pattern: /ResourceNotFoundException.*(?:resource not found|table)/i,
    sentence: () =>
      'there is no such table; the output OnlineTableName names the one that was deployed, and AWS_REGION its region',
  },
  'aws-unreachable': {
    pattern: NETWORK_ERROR,
    sentence: (found) =>
      `nothing answers there (${found}): is it running? Look at --endpoint, AWS_ENDPOINT_URL and the network`,
  },
} satisfies Record<string, Failure>;

export type AwsFailure = keyof typeof FAILURES | 'aws-refused' | 'aws-failed';

/** Thrown when AWS cannot be used as it is set up. One sentence that says what to change. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly code: AwsFailure;

  constructor(code: AwsFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * @param error thrown by a client of AWS, or by what has one as its cause; or what a tool such as `cdk` wrote of it.
 * @param subject what cannot be used then, such as "the bucket x".
 * @returns nothing for what is no failure of AWS.
 */
export function explainAws(error: unknown, subject?: string): AwsError | undefined {
  if (error instanceof AwsError) return error;
  const failed = typeof error === 'string' ? error : awsErrorOf(error);
  if (failed === undefined) return undefined;
  const [code, sentence] = failureOf(failed);
  const message = subject === undefined ? sentence : `${subject} cannot be used: ${sentence}`;
  return code === undefined ? undefined : new AwsError(code, message, { cause: error });
}

function failureOf(error: Error | string): [AwsFailure, string] | [undefined, ''] {
  const text = typeof error === 'string' ? error : textOf(error);
  for (const [code, { pattern, sentence }] of Object.entries(FAILURES)) {
    const found = pattern.exec(text);
    if (found) return [code as AwsFailure, sentence(found[0], text)];
  }
  if (typeof error === 'string') return [undefined, ''];
  return awsErrorKind(error) === 'final'
    ? ['aws-refused', `AWS refuses the request (${error.name}): ${error.message}`]
    : ['aws-failed', `AWS failed (${error.name}); try again`];
}

/** The error of the client: it, or one of its causes. */
function awsErrorOf(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  const isOfClient =
    error instanceof ServiceException ||
    // Of the way to AWS: the SDK counts attempts of what it sent.
    '$metadata' in error ||
    ('code' in error && NETWORK_ERROR.test(String(error.code))) ||
    ['CredentialsProviderError', 'TokenProviderError', 'TimeoutError'].includes(error.name) ||
    error.message === 'Region is missing';
  return isOfClient ? error : awsErrorOf(error.cause);
}

/** Several addresses may have been tried: then each has an error of its own. */
function textOf(error: Error): string {
  const all = [error, ...(error instanceof AggregateError ? error.errors.filter((one) => one instanceof Error) : [])];
  return all.map((one) => `${one.name}: ${one.message}${'code' in one ? ` ${String(one.code)}` : ''}`).join('\n');
}
