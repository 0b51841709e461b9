import { Match } from 'aws-cdk-lib/assertions';
import { expect, describe as group, it } from 'vitest';
import { TABLE } from '../../shared/online/table.ts';
import { HEADER } from '../../shared/windows/bucket.ts';
import { resourcesOf, synthesize } from './synthesize.ts';

const prod = synthesize('prod').stateful;
const dev = synthesize('dev').stateful;

group('the online table', () => {
  it('has one text key, grows by itself and forgets items at the instant that items name', () => {
    prod.template.hasResourceProperties('AWS::DynamoDB::Table', {
      KeySchema: [{ AttributeName: TABLE.partitionKey, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: TABLE.partitionKey, AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
      TimeToLiveSpecification: { AttributeName: HEADER.expiresAt, Enabled: true },
    });
  });

  it('is encrypted and can be brought back to any second of the last weeks', () => {
    prod.template.hasResourceProperties('AWS::DynamoDB::Table', {
      SSESpecification: { SSEEnabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  });

  it('cannot be deleted by mistake in production, and can in development', () => {
    prod.template.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: { DeletionProtectionEnabled: true },
    });
    expect(prod.stack.terminationProtection).toBe(true);
    dev.template.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Delete',
      Properties: { DeletionProtectionEnabled: false },
    });
    expect(dev.stack.terminationProtection).toBe(false);
  });
});

group('event streams', () => {
  it('are encrypted, keep events for a week and follow load in production', () => {
    prod.template.hasResource('AWS::Kinesis::Stream', {
      DeletionPolicy: 'Retain',
      Properties: {
        StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
        StreamModeDetails: { StreamMode: 'ON_DEMAND' },
        RetentionPeriodHours: 168,
      },
    });
  });

  it('are one shard that keeps events for a day in development', () => {
    dev.template.hasResourceProperties('AWS::Kinesis::Stream', {
      StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
      StreamModeDetails: { StreamMode: 'PROVISIONED' },
      ShardCount: 1,
      RetentionPeriodHours: 24,
    });
  });
});

group('buckets', () => {
  it('are private, encrypted and refuse connections without TLS 1.2', () => {
    const buckets = resourcesOf(prod.template, 'AWS::S3::Bucket');
    expect(buckets).toHaveLength(6);
    for (const { Properties } of buckets) {
      expect(Properties).toMatchObject({
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      });
    }
    const policies = resourcesOf(prod.template, 'AWS::S3::BucketPolicy');
    expect(policies).toHaveLength(6);
    for (const { Properties } of policies) {
      expect(Properties).toMatchObject({
        PolicyDocument: {
          Statement: expect.arrayContaining([
            expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
            expect.objectContaining({ Effect: 'Deny', Condition: { NumericLessThan: { 's3:TlsVersion': 1.2 } } }),
          ]),
        },
      });
    }
  });

  it('keep configurations and models, and what they were before, for good', () => {
    const decisions = resourcesOf(prod.template, 'AWS::S3::Bucket').filter(({ Properties }) =>
      JSON.stringify(Properties.LoggingConfiguration ?? '').includes('DecisionsAccessLogs'),
    );
    expect(decisions).toMatchObject([
      { DeletionPolicy: 'Retain', Properties: { VersioningConfiguration: { Status: 'Enabled' } } },
    ]);
    expect(JSON.stringify(decisions)).not.toContain('Expiration');
    expect(JSON.stringify(prod.template.findOutputs('DecisionsBucketName'))).toContain('DecisionsBucket');
  });

  it('keep quarantined records versioned, for 90 days, and log who reads them', () => {
    prod.template.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      LoggingConfiguration: { DestinationBucketName: { Ref: Match.stringLikeRegexp('AccessLogs') } },
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({
            Status: 'Enabled',
            ExpirationInDays: 90,
            NoncurrentVersionExpiration: { NoncurrentDays: 30 },
          }),
        ],
      },
    });
  });
});
