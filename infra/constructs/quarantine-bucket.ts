import { Duration, Validations } from 'aws-cdk-lib';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { removalPolicyOf } from './removal.ts';

/** Long enough to find the cause, repair it and replay; personal data is not kept longer than that. */
const KEPT_FOR = Duration.days(90);
const ACCESS_LOGS_KEPT_FOR = Duration.days(365);

/** Where records go that could not be counted, with the reason, until someone has looked at them. */
export class QuarantineBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: { readonly retainData: boolean }) {
    super(scope, id);
    const common: BucketProps = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      encryption: BucketEncryption.S3_MANAGED,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: removalPolicyOf(props),
    };
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...common,
      lifecycleRules: [{ expiration: ACCESS_LOGS_KEPT_FOR, abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    });
    Validations.of(accessLogs).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'It receives the access logs; logging its own access would feed itself.',
    });
    this.bucket = new Bucket(this, 'Bucket', {
      ...common,
      // A replay that goes wrong must not be able to overwrite what it replays.
      versioned: true,
      // `Bucket` implements `IBucket` but for `policy?: undefined`, which this project's compiler options tell apart.
      serverAccessLogsBucket: accessLogs as IBucket,
      lifecycleRules: [
        {
          expiration: KEPT_FOR,
          noncurrentVersionExpiration: Duration.days(30),
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
    });
  }
}
