/**
 * DynamoDB Local: Amazon's own DynamoDB for this machine, the referee of our expressions. Needs Java 17 and Maven, no Docker.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  answersHttp,
  canRun,
  freePort,
  LOCAL_DIRECTORY,
  LocalEnvironmentError,
  type LocalServer,
  run,
  startServer,
} from './child-process.ts';

const VERSION = '2.6.1';
const INSTALL_DIRECTORY = join(LOCAL_DIRECTORY, 'dynamodb-local');
/** Jars and, beside them, the SQLite libraries for each operating system, which DynamoDB Local depends on. */
const LIBRARY_DIRECTORY = join(INSTALL_DIRECTORY, VERSION);
const PROJECT_OBJECT_MODEL = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>${VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

/** Fetches DynamoDB Local through Maven, unless it is there. @throws LocalEnvironmentError without Java or Maven. */
export async function installDynamoDbLocal(): Promise<void> {
  if (!(await canRun('java', ['-version']))) {
    throw new LocalEnvironmentError('DynamoDB Local needs Java 17 or newer as java on PATH (Debian: openjdk-17-jre)');
  }
  if (existsSync(LIBRARY_DIRECTORY)) return;
  if (!(await canRun('mvn', ['-version']))) {
    throw new LocalEnvironmentError(
      'DynamoDB Local is fetched with Maven: put mvn on PATH (Debian: apt-get install maven)',
    );
  }
  await mkdir(INSTALL_DIRECTORY, { recursive: true });
  // Fetched beside its place and then moved there in one step: an interrupted download is never mistaken for a
  // complete one, and several test files may install at once.
  const download = await mkdtemp(join(INSTALL_DIRECTORY, 'download-'));
  await writeFile(join(download, 'pom.xml'), PROJECT_OBJECT_MODEL);
  try {
    const copy = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libraries'];
    await run('mvn', copy, { workingDirectory: download });
  } catch (cause) {
    throw new LocalEnvironmentError(
      `DynamoDB Local could not be fetched: run "mvn dependency:copy-dependencies" in ${download} to see why`,
      { cause },
    );
  }
  await rename(join(download, 'libraries'), LIBRARY_DIRECTORY).catch((error: unknown) => {
    if (!existsSync(LIBRARY_DIRECTORY)) throw error;
  });
  await rm(download, { recursive: true });
}

/** Installs DynamoDB Local when needed and starts it, empty and in memory. @throws LocalEnvironmentError. */
export async function startDynamoDbLocal(options: { readonly port?: number } = {}): Promise<LocalServer> {
  await installDynamoDbLocal();
  const port = options.port ?? (await freePort());
  const endpoint = `http://localhost:${port}`;
  const logFile = join(LOCAL_DIRECTORY, `dynamodb-local-${port}.log`);
  const server = await startServer({
    name: 'DynamoDB Local',
    command: 'java',
    arguments: [
      `-Djava.library.path=${LIBRARY_DIRECTORY}`,
      '-cp',
      join(LIBRARY_DIRECTORY, '*'),
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      '-inMemory',
      '-sharedDb',
      '-disableTelemetry',
      '-port',
      String(port),
    ],
    logFile,
    endpoint,
    // Without a signed request it answers 400, which is an answer.
    isReady: () => answersHttp(endpoint, { expectsSuccess: false }),
    readyWithinMillis: 60_000,
  });
  return {
    ...server,
    async stop() {
      await server.stop();
      // Every start has a port, and so a log, of its own: those of good runs would pile up.
      await rm(logFile, { force: true });
    },
  };
}
