/**
 * DynamoDB Local: Amazon's own DynamoDB for this machine, the referee of our expressions. Needs Java 17 and Maven, no Docker.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
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
/** Written last, so that an interrupted download is not mistaken for a complete one. */
const INSTALLED_MARK = join(INSTALL_DIRECTORY, `installed-${VERSION}`);

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
  if (existsSync(INSTALLED_MARK)) return;
  if (!(await canRun('mvn', ['-version']))) {
    throw new LocalEnvironmentError(
      'DynamoDB Local is fetched with Maven: put mvn on PATH (Debian: apt-get install maven)',
    );
  }
  await mkdir(LIBRARY_DIRECTORY, { recursive: true });
  await writeFile(join(INSTALL_DIRECTORY, 'pom.xml'), PROJECT_OBJECT_MODEL);
  try {
    const copy = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${LIBRARY_DIRECTORY}`];
    await run('mvn', copy, { workingDirectory: INSTALL_DIRECTORY });
  } catch (cause) {
    throw new LocalEnvironmentError(
      `DynamoDB Local could not be fetched: run "mvn dependency:copy-dependencies" in ${INSTALL_DIRECTORY} to see why`,
      { cause },
    );
  }
  await writeFile(INSTALLED_MARK, '');
}

/** Installs DynamoDB Local when needed and starts it, empty and in memory. @throws LocalEnvironmentError. */
export async function startDynamoDbLocal(options: { readonly port?: number } = {}): Promise<LocalServer> {
  await installDynamoDbLocal();
  const port = options.port ?? (await freePort());
  const endpoint = `http://localhost:${port}`;
  return startServer({
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
    logFile: join(LOCAL_DIRECTORY, 'dynamodb-local.log'),
    endpoint,
    // Without a signed request it answers 400, which is an answer.
    isReady: () => answersHttp(endpoint, { expectsSuccess: false }),
    readyWithinMillis: 60_000,
  });
}
