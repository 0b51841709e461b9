/** ARNs as cdk-nag writes them when it names a finding. */
import { type Stack, Token } from 'aws-cdk-lib';
import type { Bucket } from 'aws-cdk-lib/aws-s3';

/** Of a bucket of another stack. */
export function importedArnOf(bucket: Bucket): string {
  return bucket.stack.resolve(bucket.stack.exportValue(bucket.bucketArn))['Fn::ImportValue'];
}

/** Of a resource in the account and Region of a stack, whether or not these are known. */
export function shownArn({ partition, region, account }: Stack, service: string, resource: string): string {
  const shown = (value: string, parameter: string) => (Token.isUnresolved(value) ? `<AWS::${parameter}>` : value);
  const place = [shown(region, 'Region'), shown(account, 'AccountId')];
  return ['arn', shown(partition, 'Partition'), service, ...place, resource].join(':');
}
