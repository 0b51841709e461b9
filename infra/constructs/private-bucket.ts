import { Duration, Validations } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, type BucketProps, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { removalPolicyOf } from './removal.ts';

const ACCESS_LOGS_KEPT_FOR = Duration.days(365);

/** What all buckets have in common: nobody from outside, nothing in the clear. */
export function privateBucketProps(props: { readonly retainData: boolean }): BucketProps {
  return {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    encryption: BucketEncryption.S3_MANAGED,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    removalPolicy: removalPolicyOf(props),
  };
}

/** A bucket for the access logs of one other bucket. */
export function accessLogsBucket(scope: Construct, id: string, props: { readonly retainData: boolean }): Bucket {
  const accessLogs = new Bucket(scope, id, {
    ...privateBucketProps(props),
    lifecycleRules: [{ expiration: ACCESS_LOGS_KEPT_FOR, abortIncompleteMultipartUploadAfter: Duration.days(1) }],
  });
  Validations.of(accessLogs).acknowledge({
    id: 'AwsSolutions-S1',
    reason: 'It receives the access logs; logging its own access would feed itself.',
  });
  return accessLogs;
}
