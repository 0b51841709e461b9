import { Command } from 'commander';
import type { DecisionConfiguration } from '../shared/scoring/configuration.ts';
import { type WithBucket, withS3Bucket } from './decision-bucket.ts';
import {
  configurationHistory,
  type DecisionOptions,
  listModels,
  pushModel,
  rollBackConfiguration,
  type ServiceOptions,
  setConfiguration,
  showConfiguration,
} from './decisions.ts';
import { bucketOption, endpointOption, example, featuresOption, serviceOption, wholeNumber } from './options.ts';
import { packageCommand } from './package-command.ts';
import { megabytes, type Terminal } from './terminal.ts';

const SOON = 'serving functions take it up within half a minute';

/** @param options of its example, beside those that every verb has. */
function verb(group: 'config' | 'model', name: string, description: string, ...options: readonly string[]): Command {
  return new Command(name)
    .description(description)
    .addHelpText('after', example([group, name, '--bucket DECISIONS_BUCKET', ...options].join(' ')))
    .addOption(bucketOption())
    .addOption(endpointOption('S3'))
    .addOption(featuresOption());
}

function configVerb(name: string, description: string, ...options: readonly string[]): Command {
  return verb('config', name, description, '--service fraud_detection', ...options).addOption(serviceOption());
}

/** `config`: how a service decides, without a deployment. */
export function configCommand(terminal: Terminal, withBucket: WithBucket = withS3Bucket): Command {
  const show = configVerb('show', 'Prints a configuration as JSON, which "config set" takes again.', '--version 3')
    .option(
      '--version <number>',
      'an older one, 0 for the default one; by default the one that decides',
      wholeNumber(0),
    )
    .action(async (options: ServiceOptions & { version?: number }) => {
      const { service, version, configuration } = await showConfiguration(options, withBucket);
      terminal.printError(`configuration ${version} of ${service.key}${version === 0 ? ', the default one' : ''}`);
      terminal.print(JSON.stringify(configuration, null, 2));
    });
  const history = configVerb(
    'history',
    'Lists all configurations, the newest first, with the time and the note of each; a star marks the one that decides.',
  ).action(async (options: ServiceOptions) => {
    for (const { version, isActive, writtenAt, configuration } of await configurationHistory(options, withBucket)) {
      const what =
        configuration instanceof Error ? `cannot be used: ${configuration.message}` : summaryOf(configuration);
      const line = writtenAt ? `${writtenAt.toISOString().slice(0, 19)}Z  ${what}` : 'the default one';
      terminal.print(`${isActive ? '*' : ' '} ${String(version).padStart(4)}  ${line}`);
    }
  });
  const set = configVerb('set', 'Makes the configuration of a file the one that decides.', '--file configuration.json')
    .requiredOption(
      '--file <file>',
      'JSON, all of it: what it leaves out (model, lists) is not taken over from the one before',
    )
    .action(async (options: ServiceOptions & { file: string }) => {
      const { service, version, configuration } = await setConfiguration(options, withBucket);
      // A configuration is a whole: what it leaves out, the model above all, is no longer as the one before had it.
      terminal.print(`configuration ${version} of ${service.key} is active: ${summaryOf(configuration)}; ${SOON}`);
    });
  const rollback = configVerb('rollback', 'Makes an older configuration the one that decides again.', '--to 3')
    .option('--to <number>', 'which, 0 for the default one; by default the one before', wholeNumber(0))
    .action(async (options: ServiceOptions & { to?: number }) => {
      const { service, version, configuration, warnings } = await rollBackConfiguration(options, withBucket);
      terminal.print(
        `configuration ${version} of ${service.key} is active again: ${summaryOf(configuration)}; ${SOON}`,
      );
      for (const warning of warnings) terminal.printError(`but ${warning}`);
    });
  return group('config', 'How services decide: thresholds, rules, models and lists, changed without a deployment.', [
    show,
    history,
    set,
    rollback,
  ]).addHelpText('after', example('config history --bucket DECISIONS_BUCKET --service fraud_detection'));
}

/** `model`: packages in the bucket. */
export function modelCommand(terminal: Terminal, withBucket: WithBucket = withS3Bucket): Command {
  const push = verb(
    'model',
    'push',
    'Checks a package against what is declared, and puts it into the bucket.',
    '--file my_model@1.json.gz',
  )
    .requiredOption('--file <package>', 'the package of the model')
    .action(async (options: DecisionOptions & { file: string }) => {
      const { service, model, inputs, bytes } = await pushModel(options, withBucket);
      terminal.print(
        `model ${model} of ${service}: ${inputs} inputs, ${megabytes(bytes)}; "config set" lets it decide`,
      );
    });
  const list = verb('model', 'list', 'Lists the models of the bucket, and which of them decide.').action(
    async (options: DecisionOptions) => {
      const models = await listModels(options, withBucket);
      if (models.length === 0) terminal.print('no models yet; put one there with: model push --file PACKAGE');
      for (const { service, model, bytes, role } of models) {
        terminal.print(`${service}  ${model}  ${megabytes(bytes)}${role === 'none' ? '' : `  ${role}`}`);
      }
    },
  );
  return group('model', 'Models that may decide.', [packageCommand(terminal), push, list]).addHelpText(
    'after',
    example('model list --bucket DECISIONS_BUCKET'),
  );
}

function group(name: string, description: string, verbs: readonly Command[]): Command {
  const command = new Command(name).description(description);
  for (const one of verbs) command.addCommand(one);
  return command;
}

function summaryOf({ model, challengers, note }: DecisionConfiguration): string {
  const models = `${model ?? 'rules alone decide'}${challengers.length > 0 ? `, beside it ${challengers.join(', ')}` : ''}`;
  return note === '' ? models : `${models}: ${note}`;
}
