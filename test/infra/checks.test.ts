import { Bucket } from 'aws-cdk-lib/aws-s3';
import { expect, describe as group, it } from 'vitest';
import { configOf, define, STAGES, synthesize, withoutReleases } from './synthesize.ts';

group('the rules of AwsSolutions and of CloudFormation', () => {
  it.each(STAGES)('are kept in stage %s', (stage) => {
    expect(() => define(stage).app.synth()).not.toThrow();
  });

  it('are kept where a lander of this machine lands history', () => {
    const config = configOf('local', { landerUrl: 'http://127.0.0.1:4567' });
    expect(() => define('local', { config }).app.synth()).not.toThrow();
  });

  it('refuse a resource that breaks one', () => {
    const { app, stateful } = define('prod');
    new Bucket(stateful, 'Careless');
    expect(() => app.synth()).toThrow('AwsSolutions-S1');
  });
});

group('the templates', () => {
  it('are those that were reviewed', () => {
    const { stateful, stateless } = synthesize('prod');
    expect(withoutReleases(stateful.template)).toMatchSnapshot('stateful');
    expect(withoutReleases(stateless.template)).toMatchSnapshot('stateless');
  });
});
