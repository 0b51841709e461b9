/** Where mistakes are made: an own folder for each, and what they meet there: a taken port, a held folder, AWS that refuses. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Environment, freePort, PROJECT_ROOT } from '../../../localstack/child-process.ts';
import { holdDirectory } from '../../../localstack/run-directory.ts';

/** What a clone has to have for `npm start` and the commands. */
const PARTS = ['cli', 'functions', 'infra', 'localstack', 'shared', 'package.json', 'tsconfig.json'];

/** Credentials, region and the like of this shell are none of a mistake's. */
const WITHOUT_AWS: Environment = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^AWS_|^npm_/.test(name) ? [[name, undefined]] : [])),
);

export interface Outcome {
  readonly exitCode: number | null;
  /** What was printed, without the lines of steps that went well. */
  readonly output: string;
}

export interface Workshop {
  /** Declarations without a mistake. */
  readonly features: string;
  /** A clone in which no emulator is installed. */
  readonly clone: string;
  readonly emptyFolder: string;
  readonly heldFolder: string;
  readonly takenPort: number;
  readonly freePort: number;
  readonly nobodyThere: string;
  /** Answers everything as AWS answers to credentials that have expired. */
  readonly expired: string;
  /** Runs a program in a folder of its own, in which files were written before. */
  run(options: {
    readonly program: string;
    readonly argumentList: readonly string[];
    readonly files: Readonly<Record<string, string>>;
    /** Default: the own folder, of which the environment tells as npm does where it is another one. */
    readonly workingDirectory?: string | undefined;
    readonly environment?: Environment | undefined;
  }): Promise<Outcome>;
  close(): Promise<void>;
}

export async function openWorkshop(): Promise<Workshop> {
  const directory = await mkdtemp(join(tmpdir(), 'mistakes-'));
  const folder = async (name: string) => {
    const path = join(directory, name);
    await mkdir(path, { recursive: true });
    return path;
  };
  const clone = await folder('clone');
  for (const part of PARTS) await cp(join(PROJECT_ROOT, part), join(clone, part), { recursive: true });
  await symlink(join(PROJECT_ROOT, 'node_modules'), join(clone, 'node_modules'));
  const heldFolder = await folder('held');
  const release = await holdDirectory(heldFolder);
  const [squatter, expired] = [createServer(), expiredServer()];
  const [takenPort, expiredPort] = [await portOf(squatter), await portOf(expired)];
  const home = await folder('home');
  let folders = 0;
  return {
    features: await readFile(join(import.meta.dirname, 'features.ts'), 'utf8'),
    clone,
    emptyFolder: await folder('empty'),
    heldFolder,
    takenPort,
    freePort: await freePort(),
    nobodyThere: `http://127.0.0.1:${await freePort()}`,
    expired: `http://127.0.0.1:${expiredPort}`,
    async run({ program, argumentList, files, workingDirectory, environment }) {
      const own = await folder(`own-${folders++}`);
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(own, name)), { recursive: true });
        await writeFile(join(own, name), text);
      }
      const ofShell = { ...process.env, ...WITHOUT_AWS, HOME: home, AWS_EC2_METADATA_DISABLED: 'true', INIT_CWD: own };
      return outcomeOf(program, argumentList, workingDirectory ?? own, { ...ofShell, ...environment });
    },
    async close() {
      release();
      await Promise.all([squatter, expired].map((server) => new Promise((resolve) => server.close(resolve))));
      await rm(directory, { recursive: true });
    },
  };
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** DynamoDB is asked in JSON, S3 answers in XML. */
function expiredServer(): Server {
  return createHttpServer((request, response) => {
    const isDynamoDb = request.headers['x-amz-target'] !== undefined;
    const message = 'The security token included in the request is expired';
    request.resume();
    response.writeHead(400, { 'content-type': isDynamoDb ? 'application/x-amz-json-1.0' : 'application/xml' });
    response.end(
      isDynamoDb
        ? JSON.stringify({ __type: 'com.amazonaws.dynamodb.v20120810#ExpiredTokenException', message })
        : `<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code><Message>${message}</Message></Error>`,
    );
  });
}

async function outcomeOf(
  program: string,
  argumentList: readonly string[],
  workingDirectory: string,
  environment: NodeJS.ProcessEnv,
): Promise<Outcome> {
  const child = spawn(program, argumentList, {
    cwd: workingDirectory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => {
      output += part.toString();
    });
  }
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('✔ '));
  return { exitCode, output: lines.join('\n') };
}
