import type { Bucket } from 'aws-cdk-lib/aws-s3';

/** A bucket of another stack as cdk-nag writes it when it names a finding. */
export function importedArnOf(bucket: Bucket): string {
  return bucket.stack.resolve(bucket.stack.exportValue(bucket.bucketArn))['Fn::ImportValue'];
}
