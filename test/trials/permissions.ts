/**
 * A caller may do what its policy says and nothing else: against a deployment on an endpoint that checks signatures and
 * policies, every policy of callers is tried on every path, on those that there were, and on other spellings of them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../localstack/deploy.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { OTHER_REQUESTS, PERMITTED } from '../support/permitted-paths.ts';
import { type Credentials, ROOT, signedFetch } from '../support/signed-fetch.ts';
import type { Trial } from './trial.ts';

const REFUSED = 403;

export const permissions: Trial = {
  name: 'permissions',
  proves: 'Who may send transactions cannot send labels, and no policy of callers permits more than its own paths.',
  run: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'permissions-'));
    const server = await startMiniStack({ port: await freePort(), directory, checksPermissions: true });
    try {
      const { endpoint } = server;
      const onProgress = () => {};
      const deployment = await deployLocally({
        endpoint,
        directory,
        landsHistory: true,
        authorization: 'iam',
        onProgress,
      });
      return await tryEverybody(deployment);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function tryEverybody(deployment: Deployment) {
  const { callerPolicyArns } = deployment;
  const requests = [...Object.values(PERMITTED).flat(), ...OTHER_REQUESTS];
  const violations: string[] = [];
  const statuses: Record<string, number> = {};
  const tell = (who: string, request: string, status: number, isPermitted: boolean) => {
    const outcome = isPermitted ? 'permitted' : 'refused';
    statuses[outcome] = (statuses[outcome] ?? 0) + 1;
    if ((status !== REFUSED) !== isPermitted) violations.push(`${who}: ${request} answered ${status}`);
  };
  for (const [name, arn] of Object.entries(callerPolicyArns)) {
    const caller = await createCaller(deployment, name, arn);
    for (const request of requests) {
      tell(
        name,
        request,
        await statusOf(deployment, caller, request),
        PERMITTED[name]?.includes(request.split('?')[0] ?? '') ?? false,
      );
    }
  }
  const stranger = { ...ROOT, accessKeyId: 'AKIAIOSFODNN7STRANGER' };
  for (const request of requests) tell('a stranger', request, await statusOf(deployment, stranger, request), false);
  const missing = Object.keys(PERMITTED).filter((name) => !(name in callerPolicyArns));
  const isTried = (statuses.permitted ?? 0) > 0 && (statuses.refused ?? 0) > 0;
  return {
    json: {
      callers: Object.keys(callerPolicyArns).length,
      requests: requests.length,
      ...statuses,
      missing,
      violations,
    },
    ok: violations.length === 0 && missing.length === 0 && isTried,
  };
}

/** A user of IAM with one policy, and a key. */
async function createCaller({ endpoint }: Deployment, name: string, arn: string): Promise<Credentials> {
  const UserName = `caller-${name}`;
  await askIam(endpoint, { Action: 'CreateUser', UserName });
  await askIam(endpoint, { Action: 'AttachUserPolicy', UserName, PolicyArn: arn });
  const key = await askIam(endpoint, { Action: 'CreateAccessKey', UserName });
  const [, accessKeyId] = /<AccessKeyId>([^<]+)/.exec(key) ?? [];
  const [, secretAccessKey] = /<SecretAccessKey>([^<]+)/.exec(key) ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error(`no key for ${UserName}: ${key}`);
  return { accessKeyId, secretAccessKey };
}

async function askIam(endpoint: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const response = await signedFetch(`${endpoint}/`, {
    credentials: ROOT,
    service: 'iam',
    method: 'POST',
    body: new URLSearchParams({ Version: '2010-05-08', ...parameters }).toString(),
    contentType: 'application/x-www-form-urlencoded',
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${parameters.Action} answered ${response.status}: ${text}`);
  return text;
}

/** The status of a request with a body that says nothing: whoever gets so far is answered by the store. */
async function statusOf({ apiUrl }: Deployment, credentials: Credentials, request: string): Promise<number> {
  const [method = '', path = ''] = request.split(' ');
  const response = await signedFetch(`${apiUrl}${path}`, {
    credentials,
    service: 'execute-api',
    method,
    ...(method !== 'GET' && { body: '{}' }),
  });
  await response.arrayBuffer();
  return response.status;
}
