/** How everything here reaches the local endpoint: no real account is ever touched, whatever the shell is set up for. */
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Environment } from './child-process.ts';

export const REGION = 'us-east-1';
/** The account that local endpoints put everyone into. */
export const ACCOUNT = '000000000000';

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

/** For tools that read the environment, such as `cdk`. */
export function environmentOf(endpoint: string): Environment {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ENDPOINT_URL_S3: s3EndpointOf(endpoint),
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    // A profile or session of the shell would win over the keys above.
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
  };
}

/** LocalStack tells buckets in host names from other services by this prefix; by the name `localhost` all are served. */
export function s3EndpointOf(endpoint: string): string {
  return endpoint.replace('//localhost.localstack.cloud', '//s3.localhost.localstack.cloud');
}

/** For AWS clients. The HTTP/1.1 handler is for Kinesis, whose default HTTP/2 local endpoints do not speak. */
export function clientConfigurationOf(endpoint: string) {
  return { endpoint, region: REGION, credentials: CREDENTIALS, requestHandler: new NodeHttpHandler() };
}
