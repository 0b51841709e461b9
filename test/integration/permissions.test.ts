/** What the managed policies of callers permit, by the emulator's evaluator of policies: none of ours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, LOCAL_DIRECTORY, type LocalServer } from '../../localstack/child-process.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { resourcesOf, synthesize } from '../infra/synthesize.ts';
import { OTHER_REQUESTS, PERMITTED } from '../support/permitted-paths.ts';
import { ROOT, signedFetch } from '../support/signed-fetch.ts';

const { template } = synthesize('prod').stateless;
const policies = resourcesOf(template, 'AWS::IAM::ManagedPolicy').map(({ Properties }) => ({
  name: /call (\S+) of/.exec(String(Properties.Description))?.[1] ?? '',
  document: JSON.stringify(resolved(Properties.PolicyDocument)),
}));

/** A part of a template with the values that CloudFormation would give its references. */
function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const [[name, inner] = []] = Object.entries(value);
  if (name === 'Fn::Join' && Array.isArray(inner)) return (resolved(inner[1]) as string[]).join(String(inner[0]));
  if (name === 'Ref')
    return (
      { 'AWS::Partition': 'aws', 'AWS::Region': 'us-east-1', 'AWS::AccountId': '000000000000' }[String(inner)] ?? 'api'
    );
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, resolved(part)]));
}

describe('policies of callers', () => {
  let server: LocalServer;

  beforeAll(async () => {
    server = await startMiniStack({ port: await freePort(), directory: `${LOCAL_DIRECTORY}/permissions` });
  }, 120_000);

  afterAll(() => server?.stop());

  async function decisionOn(document: string, request: string): Promise<string> {
    const [method, path = ''] = request.split(' ');
    const response = await signedFetch(`${server.endpoint}/`, {
      credentials: ROOT,
      service: 'iam',
      method: 'POST',
      body: new URLSearchParams({
        Action: 'SimulateCustomPolicy',
        Version: '2010-05-08',
        'PolicyInputList.member.1': document,
        'ActionNames.member.1': 'execute-api:Invoke',
        'ResourceArns.member.1': `arn:aws:execute-api:us-east-1:000000000000:api/$default/${method}${path}`,
      }).toString(),
      contentType: 'application/x-www-form-urlencoded',
    });
    const text = await response.text();
    return /<EvalDecision>(\w+)</.exec(text)?.[1] ?? text;
  }

  it('are one for each thing that may be permitted', () => {
    expect(policies.map(({ name }) => name).sort()).toEqual(Object.keys(PERMITTED).sort());
  });

  const everything = [
    ...Object.values(PERMITTED).flat(),
    ...OTHER_REQUESTS.filter((request) => !request.includes('?')),
  ];

  it.each(policies)('$name permits its own paths and nothing else', async ({ name, document }) => {
    const permitted: string[] = [];
    for (const request of everything) {
      const decision = await decisionOn(document, request);
      expect(decision).toMatch(/^(allowed|implicitDeny)$/);
      if (decision === 'allowed') permitted.push(request);
    }
    expect(permitted).toEqual(PERMITTED[name]);
  });
});
