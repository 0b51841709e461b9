/** Mistakes that people make in a folder of their own. Each must end in one sentence that says how to mend it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import pMap from 'p-map';
import { explainAws } from '../../cli/explain-aws.ts';
import { SHIPPED_MODEL } from '../../localstack/activate-model.ts';
import { type Environment, PROJECT_ROOT } from '../../localstack/child-process.ts';
import { type Outcome, openWorkshop, type Workshop } from './mistakes/workshop.ts';
import type { Trial } from './trial.ts';

const AT_ONCE = 2;
const START = join(PROJECT_ROOT, 'localstack/start.ts');
const CHECK_NODE = join(PROJECT_ROOT, 'cli/check-node.cjs');
const CLI = join(PROJECT_ROOT, 'cli/feature-store.cjs');
/** Whatever prints one has shown a stack to somebody who wanted a sentence. */
const STACK = /^\s+at \S.*(?:\(|:\d+:\d+)|^node:internal|\[cause\]/m;

interface Mistake {
  readonly name: string;
  readonly outcome: Promise<Outcome> | Outcome;
  readonly exitCode: number;
  /** The sentence: what is wrong, and what to do. */
  readonly says: RegExp;
  /** Lines that it may have; one by default. */
  readonly lines?: number;
}
type Planned = () => Mistake;

/** The mistakes, as somebody plans them who makes one after the other. */
function mistakesIn(workshop: Workshop): Planned[] {
  const { features } = workshop;
  const port = ['--port', String(workshop.freePort)];
  type Files = Readonly<Record<string, string>>;
  type More = { readonly files?: Files; readonly environment?: Environment; readonly root?: string };

  const edited = (wanted: string, instead: string): Files => {
    if (!features.includes(wanted)) throw new Error(`features.ts has no ${wanted}`);
    return { 'features.ts': features.replace(wanted, instead) };
  };
  const node = (argumentList: readonly string[], { files = { 'features.ts': features }, environment }: More = {}) =>
    workshop.run({ program: process.execPath, argumentList, files, environment });
  const start = (argumentList: readonly string[], more?: More) =>
    node(['--require', CHECK_NODE, START, '--once', ...port, ...argumentList], more);
  const mine = ['--features', 'features.ts'];
  const cli = (argumentList: readonly string[], more?: More) => node([CLI, ...argumentList], more);
  const trainingSet = ['training-set', '--service', 'scoring', '--spine', 'spine.parquet', '--output', 'made.parquet'];
  const made = (more?: More) => cli([...trainingSet, '--history', 'payments=history', ...mine], more);
  const backfill = [
    'backfill',
    ...mine,
    '--view',
    'user_payments',
    '--history',
    'payments=history',
    '--table',
    'online',
  ];
  const push = [
    'model',
    'push',
    '--bucket',
    'decisions',
    '--file',
    SHIPPED_MODEL,
    '--features',
    join(PROJECT_ROOT, 'shared/features/index.ts'),
  ];
  const cdk = (context: object, files: Files = {}) =>
    workshop.run({
      program: process.execPath,
      argumentList: ['infra/app.ts'],
      files: { 'features.ts': features, ...files },
      workingDirectory: PROJECT_ROOT,
      environment: { CDK_CONTEXT_JSON: JSON.stringify(context) },
    });
  const config = (text: string): Files => ({ 'features.ts': features, 'feature-store.config.ts': text });
  const signedIn = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  /** The same mistake of two commands. */
  const both = (name: string, files: Files, says: RegExp): Planned[] => [
    () => ({ name: `${name}: start`, outcome: start(mine, { files }), exitCode: 1, says }),
    () => ({ name: `${name}: training-set`, outcome: made({ files }), exitCode: 2, says }),
  ];
  const bare = { AWS_REGION: 'eu-central-1' };

  return [
    ...both(
      'a misspelt field',
      edited("sum('amount')", "sum('amuont')"),
      /view user_payments: total = sum\(amuont\): .* did you mean "amount"\? \[definition\]/,
    ),
    () => ({
      name: 'a fault of types alone',
      outcome: start(mine, {
        files: { 'features.ts': `${features}\nexport const rate: number = 'high';` },
      }),
      exitCode: 1,
      says: /^the declarations have faults of types:\n {2}features\.ts:\d+:\d+ Type 'string' is not assignable to type 'number'\./,
      lines: 2,
    }),
    ...both(
      'a comparison of different types',
      edited('isGreaterThan(9)', "isGreaterThan('9')"),
      /rule BUSY: its function throws: operand must be a number, as what it is put together with; got a text/,
    ),
    () => ({
      name: 'a wrong path of --features: start',
      outcome: start(['--features', 'nowhere.ts']),
      exitCode: 1,
      says: /there is no file \S*nowhere\.ts; name the module of your declarations, such as features\.ts/,
    }),
    () => ({
      name: 'a wrong path of --features: training-set',
      outcome: cli([...trainingSet, '--history', 'payments=history', '--features', 'nowhere.ts']),
      exitCode: 2,
      says: /there is no file nowhere\.ts; name the module of your declarations/,
    }),
    () => ({
      name: 'a wrong path in the configuration: start',
      outcome: start([], { files: config("export default { name: 'own', features: './nowhere.ts' };") }),
      exitCode: 1,
      says: /feature-store\.config\.ts: features: there is no file \S*nowhere\.ts; name the module of your declarations/,
    }),
    () => ({
      name: 'a wrong path in the configuration: training-set',
      outcome: cli([...trainingSet, '--history', 'payments=history'], {
        files: config("export default { name: 'own', features: './nowhere.ts' };"),
      }),
      exitCode: 2,
      says: /feature-store\.config\.ts: features: there is no file \S*nowhere\.ts; name the module of your declarations/,
    }),
    ...both(
      'a package that is not installed',
      { 'features.ts': `import pad from 'left-pad';\n${features}\npad();` },
      /Cannot find package 'left-pad' .*npm install left-pad/,
    ),
    ...both(
      'zod itself',
      { 'features.ts': `${features.replace('  z,\n', '')}\nimport * as z from 'zod';` },
      /Cannot find package 'zod' .*write: import \{ z \} from 'fraud-feature-store'/,
    ),
    ...oldNodes().flatMap(({ program, flags }): Planned[] =>
      [['the command', [CLI, '--help']] as const, ['start', ['--require', CHECK_NODE, START, ...mine]] as const].map(
        ([what, argumentList]): Planned =>
          () => ({
            name: `an old Node, ${program} ${flags.join(' ')}: ${what}`,
            outcome: workshop.run({ program, argumentList: [...flags, ...argumentList], files: {} }),
            exitCode: 2,
            says: /this is Node \S+, which cannot run TypeScript, and Node \S.* is needed: "npm run cli -- …" and "npm start"/,
          }),
      ),
    ),
    () => ({
      name: 'a port that is taken',
      outcome: start([...mine, '--port', String(workshop.takenPort)]),
      exitCode: 1,
      says: /Port \d+ is in use: stop what listens there, choose another with --port, or use it with --endpoint/,
    }),
    () => ({
      name: 'no Python',
      outcome: workshop.run({
        program: process.execPath,
        argumentList: [join(workshop.clone, 'localstack/start.ts'), ...mine, ...port],
        files: { 'features.ts': features },
        environment: { PATH: workshop.emptyFolder },
      }),
      exitCode: 1,
      says: /MiniStack needs Python 3\.11 or newer as python3 on PATH; install it, or use a running endpoint with --endpoint/,
    }),
    () => ({
      name: 'no Java',
      outcome: workshop.run({
        program: process.execPath,
        argumentList: [
          '--eval',
          `import(${JSON.stringify(join(workshop.clone, 'localstack/dynamodb-local.ts'))})
            .then(({ installDynamoDbLocal }) => installDynamoDbLocal())
            .catch(({ message }) => { console.error(message); process.exitCode = 1; })`,
        ],
        files: {},
        environment: { PATH: workshop.emptyFolder },
      }),
      exitCode: 1,
      says: /DynamoDB Local needs Java 17 or newer as java on PATH \(Debian: openjdk-17-jre\)/,
    }),
    ...[['backfill', backfill] as const, ['model push', push] as const].flatMap(([what, argumentList]): Planned[] => [
      () => ({
        name: `expired credentials: ${what}`,
        outcome: cli([...argumentList, '--endpoint', workshop.expired], { environment: signedIn }),
        exitCode: 2,
        says: /cannot be used: the AWS credentials have expired; sign in again, such as by aws sso login/,
      }),
      () => ({
        name: `no credentials: ${what}`,
        outcome: cli([...argumentList, '--endpoint', workshop.expired], { environment: bare }),
        exitCode: 2,
        says: /cannot be used: there are no AWS credentials; sign in, such as by aws sso login, or set AWS_PROFILE/,
      }),
      () => ({
        name: `an endpoint where nobody is: ${what}`,
        outcome: cli([...argumentList, '--endpoint', workshop.nobodyThere], { environment: signedIn }),
        exitCode: 2,
        says: /cannot be used: nothing answers there \(ECONNREFUSED .*\): is it running\? Look at --endpoint/,
      }),
      () => ({
        name: `an endpoint without a scheme: ${what}`,
        outcome: cli([...argumentList, '--endpoint', 'localhost:4566']),
        exitCode: 2,
        says: /It must begin with http:\/\/ or https:\/\/, such as http:\/\/localhost:4566\. \[usage\]/,
      }),
    ]),
    () => ({
      name: 'an endpoint where nobody is: start',
      outcome: start([...mine, '--endpoint', workshop.nobodyThere]),
      exitCode: 1,
      says: /^cdk bootstrap failed: nothing answers there .* Look at --endpoint, .*\nAll of its output is in \S*\.log$/,
      lines: 2,
    }),
    () => ({
      name: 'an endpoint without a scheme: start',
      outcome: start([...mine, '--endpoint', 'localhost:4566']),
      exitCode: 1,
      says: /It must begin with http:\/\/ or https:\/\/, such as http:\/\/localhost:4566\./,
    }),
    () => ({
      name: 'no stage',
      outcome: cdk({}, config("export default { name: 'own', features: './features.ts', stages: { dev: {} } };")),
      exitCode: 1,
      says: /^say which stage is meant, of those in \S+: -c stage=local\|dev$/,
    }),
    () => ({
      name: 'no configuration: cdk',
      outcome: cdk({ stage: 'prod' }),
      exitCode: 1,
      says: /^there is no feature-store\.config\.ts in \S+ or above it; write one there: export default \{ name: 'my-store'/,
    }),
    () => ({
      name: 'no configuration: training-set',
      outcome: cli([...trainingSet, '--history', 'payments=history']),
      exitCode: 2,
      says: /there is no feature-store\.config\.ts .*; write one there: .* or, where a command has --features, name a module/,
    }),
    () => ({
      name: 'a stage that is not declared',
      outcome: cdk(
        { stage: 'prod' },
        config("export default { name: 'own', features: './features.ts', stages: { dev: {} } };"),
      ),
      exitCode: 1,
      says: /^there is no stage "prod" in \S+; declare it there, or name one of local, dev$/,
    }),
    () => ({
      name: 'a stage that is not declared: cdk synth',
      outcome: workshop.run({
        program: join(PROJECT_ROOT, 'node_modules/.bin/cdk'),
        argumentList: ['synth', '--quiet', '-c', 'stage=prod', '--output', join(workshop.emptyFolder, 'cdk.out')],
        files: config("export default { name: 'own', features: './features.ts', stages: { dev: {} } };"),
        workingDirectory: PROJECT_ROOT,
        environment: { CDK_DISABLE_CLI_TELEMETRY: 'true' },
      }),
      exitCode: 1,
      // The second line is cdk's own.
      says: /^there is no stage "prod" in \S+; declare it there, or name one of local, dev\n.*Subprocess exited with error 1$/,
      lines: 2,
    }),
    () => ({
      name: 'a misspelt setting of a stage',
      outcome: cdk(
        { stage: 'dev' },
        config("export default { name: 'own', features: './features.ts', stages: { dev: { regoin: 'eu-west-1' } } };"),
      ),
      exitCode: 1,
      says: /feature-store\.config\.ts: stages\.dev: "regoin" is not a setting; did you mean "region"\?$/,
    }),
    () => ({
      name: 'a misspelt setting of the configuration',
      outcome: start([], { files: config("export default { name: 'own', featuers: './features.ts' };") }),
      exitCode: 1,
      says: /feature-store\.config\.ts: "featuers" is not a setting; did you mean "features"\? \[store-config\]$/,
    }),
    () => ({
      name: 'a setting left out',
      outcome: start([], { files: config("export default { features: './features.ts' };") }),
      exitCode: 1,
      says: /feature-store\.config\.ts: name: is missing; write it, as in export default \{ name: 'my-store'/,
    }),
    () => ({
      name: 'a configuration without a default export',
      outcome: start([], { files: config("export const config = { name: 'own', features: './features.ts' };") }),
      exitCode: 1,
      says: /feature-store\.config\.ts: its default export: is missing; write it, as in export default \{/,
    }),
    ...both(
      'a rule on a feature that is not there',
      edited('c.times_1h', 'c.times_2h'),
      /rule BUSY: there is no column "times_2h"; did you mean "times_1h"\? \[definition\]/,
    ),
    ...both(
      '&& in a rule',
      edited('c.times_1h.isGreaterThan(9)', 'c.times_1h.isGreaterThan(9) && c.amount.isGreaterThan(1)'),
      /rule BUSY: reads "times_1h", which its expression does not use; .* write \.and\(\)/,
    ),
    ...both(
      '> in a rule',
      edited('c.times_1h.isGreaterThan(9)', 'c.times_1h > 9'),
      /rule BUSY: its function throws: .*write \.isGreaterThan\(\)/,
    ),
    () => ({
      name: 'two runs in one folder',
      outcome: start([...mine, '--directory', workshop.heldFolder]),
      exitCode: 1,
      says: /is in use by a run of process \d+: end that one, or choose another folder with --directory/,
    }),
    () => {
      const told = 'SSM parameter /cdk-bootstrap/hnb659fds/version not found. Has the environment been bootstrapped?';
      return {
        name: 'an account that was never prepared for cdk',
        outcome: { exitCode: 1, output: explainAws(told)?.message ?? '' },
        exitCode: 1,
        says: /run once: npm run cdk -- bootstrap aws:\/\/ACCOUNT\/REGION/,
      };
    },
    ...both(
      'a module that throws',
      { 'features.ts': features.replace('\nconst user', "\nconst rate: number = JSON.parse('{');\nconst user") },
      /features\.ts, line \d+: .*JSON/,
    ),
    ...both(
      'a syntax error',
      edited('const user = entity(', 'const user = entity(('),
      /features\.ts, line \d+: Expected ',', got ';'/,
    ),
    ...both(
      'a default export',
      edited('export const repository =', 'export default'),
      /exports no repository; add: export const repository = featureRepository\(\{ views, services \}\)/,
    ),
    ...both(
      'an import without its ending',
      { 'features.ts': `import './views';\n${features}`, 'views.ts': 'export {};' },
      /Cannot find module '\S+\/views' .*write the path of the file that is meant, with its ending: \.\/views\.ts/,
    ),
    () => ({
      name: 'a field of which no value is found',
      outcome: start(mine, {
        files: edited('account: z.string()', 'account: z.string().regex(/^AT\\d{18}$/)'),
      }),
      exitCode: 1,
      says: /No value of field "account" of source payments was found that its schema accepts: .*\.meta\(\{ examples/,
    }),
  ];
}

interface OldNode {
  readonly program: string;
  readonly flags: readonly string[];
}

/** Those on PATH that cannot run TypeScript, and this one, made like one of them. */
function oldNodes(): OldNode[] {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((program) => existsSync(program));
  const isOld = (program: string) =>
    execFileSync(program, ['-p', '!process.features.typescript'], { encoding: 'utf8' }).trim() === 'true';
  const found = [...new Set(onPath)].filter(isOld).slice(0, 1);
  return [
    ...found.map((program) => ({ program, flags: [] })),
    { program: process.execPath, flags: ['--no-strip-types'] },
  ];
}

/** @returns what is wrong with what somebody was told; nothing where it is as it should be. */
function faultOf({ exitCode, says, lines = 1 }: Omit<Mistake, 'outcome'>, told: Outcome): string | undefined {
  if (told.exitCode !== exitCode) return `exit code ${told.exitCode}, not ${exitCode}`;
  if (STACK.test(told.output)) return 'a stack trace';
  if (!says.test(told.output)) return `not ${says}`;
  const count = told.output.split('\n').length;
  return count > lines ? `${count} lines` : undefined;
}

export const mistakes: Trial = {
  name: 'mistakes',
  proves: 'A mistake in an own project ends in one sentence that says how to mend it, with its exit code.',
  /** @param options.trials how many of them, spread over all; by default all. */
  async run({ trials = Number.POSITIVE_INFINITY } = {}) {
    const workshop = await openWorkshop();
    try {
      const all = mistakesIn(workshop);
      const planned = all.filter((_, index) => index % Math.ceil(all.length / Math.min(trials, all.length)) === 0);
      const failures = await pMap(
        planned,
        async (plan) => {
          const mistake = plan();
          const told = await mistake.outcome;
          const fault = faultOf(mistake, told);
          if (fault === undefined) return [];
          process.stderr.write(`mistakes: ${mistake.name}: ${fault}\n${told.output.slice(0, 1_500)}\n\n`);
          return [mistake.name];
        },
        { concurrency: AT_ONCE },
      );
      return {
        json: { mistakes: planned.length, failures: failures.flat() },
        ok: planned.length > 0 && failures.flat().length === 0,
      };
    } finally {
      await workshop.close();
    }
  },
};
