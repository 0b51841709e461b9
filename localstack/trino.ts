/**
 * Trino on this machine: the engine inside Athena, and so the referee of our SQL for it. Needs Maven and a Java of
 * version 24 or newer, no Docker.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  canRun,
  freePort,
  LOCAL_DIRECTORY,
  LocalEnvironmentError,
  type LocalServer,
  run,
  startServer,
} from './child-process.ts';

const VERSION = '476';
const ARTIFACT = `io.trino:trino-server:${VERSION}:tar.gz`;
const OLDEST_JAVA = 24;
const INSTALL_DIRECTORY = join(LOCAL_DIRECTORY, 'trino');
const SERVER_DIRECTORY = join(INSTALL_DIRECTORY, VERSION);
/** Everything else that Trino can connect to costs seconds at every start. */
const PLUGINS = ['hive'];
/** Where Debian and its kin keep every Java that is installed. */
const JAVA_DIRECTORY = '/usr/lib/jvm';

/** A value as Trino's protocol carries it. */
export type TrinoValue = string | number | boolean | null;

export interface TrinoResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly TrinoValue[])[];
  readonly peakMemoryBytes: number;
}

export interface LocalTrino extends LocalServer {
  /** The directory that tables of the catalog `hive` see as `local:///`. */
  readonly dataDirectory: string;
  /** Runs one statement to its end. @throws TrinoError */
  query(sql: string): Promise<TrinoResult>;
}

/** Trino refused a statement or failed in it. `errorName` is Trino's, for example `SYNTAX_ERROR`. */
export class TrinoError extends Error {
  override readonly name = 'TrinoError';
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super(`${errorName}: ${message}`);
    this.errorName = errorName;
  }
}

/** The home of a Java that is new enough: `JAVA_HOME` first, then what is installed. */
async function findJavaHome(): Promise<string | undefined> {
  const installed = await readdir(JAVA_DIRECTORY).catch(() => []);
  const homes = [process.env.JAVA_HOME ?? '', ...installed.map((name) => join(JAVA_DIRECTORY, name))];
  for (const home of homes) {
    const release = home === '' ? '' : await readFile(join(home, 'release'), 'utf8').catch(() => '');
    const version = Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1] ?? 0);
    if (version >= OLDEST_JAVA && existsSync(join(home, 'bin', 'java'))) return home;
  }
  return undefined;
}

/** What Trino lacks on this machine, as a sentence that says what to install. */
async function missingTool(): Promise<string | undefined> {
  if ((await findJavaHome()) === undefined) {
    return `Trino needs Java ${OLDEST_JAVA} or newer: install one in ${JAVA_DIRECTORY}, or name its home in JAVA_HOME.`;
  }
  if (existsSync(SERVER_DIRECTORY) || (await canRun('mvn', ['-version']))) return undefined;
  return 'Trino is fetched with Maven: put mvn on PATH (Debian: apt-get install maven).';
}

/** Fetches Trino through Maven (about 800 MB), unless it is there. @throws LocalEnvironmentError */
export async function installTrino(): Promise<void> {
  const reason = await missingTool();
  if (reason !== undefined) throw new LocalEnvironmentError(reason);
  if (existsSync(SERVER_DIRECTORY)) return;
  await mkdir(INSTALL_DIRECTORY, { recursive: true });
  // Unpacked beside its place and then moved there in one step, so that half of it is never mistaken for all of it.
  const download = await mkdtemp(join(INSTALL_DIRECTORY, 'download-'));
  const name = `trino-server-${VERSION}`;
  try {
    await run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${download}`], {
      workingDirectory: download,
    });
    await run('tar', ['-xzf', `${name}.tar.gz`], { workingDirectory: download });
  } catch (cause) {
    throw new LocalEnvironmentError(`Trino could not be fetched: run "mvn dependency:copy -Dartifact=${ARTIFACT}"`, {
      cause,
    });
  }
  // Plugins share files by hard links, so the others can only be removed after everything is unpacked.
  const plugins = join(download, name, 'plugin');
  for (const plugin of await readdir(plugins)) {
    if (!PLUGINS.includes(plugin)) await rm(join(plugins, plugin), { recursive: true });
  }
  await rename(join(download, name), SERVER_DIRECTORY).catch((error: unknown) => {
    if (!existsSync(SERVER_DIRECTORY)) throw error;
  });
  await rm(download, { recursive: true });
}

/** Fetches Trino where that is needed, and says why it cannot be had here; `undefined` when it can. */
export async function whyNoTrino(): Promise<string | undefined> {
  try {
    await installTrino();
    return undefined;
  } catch (error) {
    if (error instanceof LocalEnvironmentError) return `${error.message}.`.replace(/\.+$/, '.');
    throw error;
  }
}

function properties(entries: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(entries)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** Writes the configuration of a single node with one catalog of files in `dataDirectory`. */
async function configure(directory: string, port: number): Promise<{ configFile: string; dataDirectory: string }> {
  const catalogs = join(directory, 'catalogs');
  const dataDirectory = join(directory, 'data');
  await mkdir(catalogs, { recursive: true });
  await mkdir(dataDirectory, { recursive: true });
  const configFile = join(directory, 'config.properties');
  const config = {
    coordinator: true,
    'node-scheduler.include-coordinator': true,
    'http-server.http.port': port,
    'discovery.uri': `http://localhost:${port}`,
    'plugin.dir': join(SERVER_DIRECTORY, 'plugin'),
    'catalog.config-dir': catalogs,
  };
  const hive = {
    'connector.name': 'hive',
    'hive.metastore': 'file',
    'hive.metastore.catalog.dir': 'local:///metastore',
    'fs.native-local.enabled': true,
    'local.location': dataDirectory,
  };
  await writeFile(configFile, properties(config));
  await writeFile(join(catalogs, 'hive.properties'), properties(hive));
  return { configFile, dataDirectory };
}

/** What Trino demands of the Java machine it runs on. */
const JAVA_ARGUMENTS = [
  '--add-modules=jdk.incubator.vector',
  '--enable-native-access=ALL-UNNAMED',
  '--sun-misc-unsafe-memory-access=allow',
  '-Djdk.attach.allowAttachSelf=true',
  '-XX:+ExitOnOutOfMemoryError',
  '-XX:-OmitStackTraceInFastThrow',
  '-Dfile.encoding=UTF-8',
];

/** Installs Trino when needed and starts it, without tables. @throws LocalEnvironmentError */
export async function startTrino(options: { readonly memoryMegabytes?: number } = {}): Promise<LocalTrino> {
  await installTrino();
  const javaHome = (await findJavaHome()) ?? '';
  const port = await freePort();
  const directory = await mkdtemp(join(INSTALL_DIRECTORY, 'run-'));
  const { configFile, dataDirectory } = await configure(directory, port);
  const endpoint = `http://localhost:${port}`;
  const logFile = join(LOCAL_DIRECTORY, `trino-${port}.log`);
  const query = (sql: string) => runStatement(endpoint, sql);
  const server = await startServer({
    name: 'Trino',
    command: join(javaHome, 'bin', 'java'),
    arguments: [
      `-Xmx${options.memoryMegabytes ?? 3_072}m`,
      ...JAVA_ARGUMENTS,
      `-Dconfig=${configFile}`,
      '-Dnode.environment=local',
      `-Dnode.data-dir=${join(directory, 'node')}`,
      '-cp',
      join(SERVER_DIRECTORY, 'lib', '*'),
      'io.trino.server.TrinoServer',
    ],
    workingDirectory: directory,
    logFile,
    endpoint,
    // It answers before it knows of itself as a worker, and then still refuses every query.
    isReady: () =>
      query('SELECT count(*) FROM system.runtime.nodes').then(
        () => true,
        () => false,
      ),
    readyWithinMillis: 120_000,
  });
  return {
    ...server,
    dataDirectory,
    query,
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
      await rm(logFile, { force: true });
    },
  };
}

/** One answer of Trino's protocol: part of the rows, and where the next part is. */
interface Page {
  readonly nextUri?: string;
  readonly columns?: readonly { readonly name: string }[];
  readonly data?: readonly (readonly TrinoValue[])[];
  readonly stats?: { readonly peakMemoryBytes?: number };
  readonly error?: { readonly errorName: string; readonly message: string };
}

async function fetchPage(url: string, init: RequestInit): Promise<Page> {
  const headers = { 'X-Trino-User': 'local', 'X-Trino-Catalog': 'hive', 'X-Trino-Schema': 'default' };
  for (;;) {
    const response = await fetch(url, { ...init, headers });
    if (response.ok) return (await response.json()) as Page;
    const text = await response.text();
    // What the protocol says to repeat.
    if (![429, 502, 503, 504].includes(response.status)) throw new TrinoError(`HTTP_${response.status}`, text);
    await delay(100);
  }
}

async function runStatement(endpoint: string, sql: string): Promise<TrinoResult> {
  let page = await fetchPage(`${endpoint}/v1/statement`, { method: 'POST', body: sql });
  const rows: (readonly TrinoValue[])[] = [];
  let columns: readonly string[] = [];
  let peakMemoryBytes = 0;
  for (;;) {
    if (page.error) throw new TrinoError(page.error.errorName, page.error.message);
    if (page.columns) columns = page.columns.map(({ name }) => name);
    for (const row of page.data ?? []) rows.push(row);
    peakMemoryBytes = Math.max(peakMemoryBytes, page.stats?.peakMemoryBytes ?? 0);
    if (page.nextUri === undefined) return { columns, rows, peakMemoryBytes };
    page = await fetchPage(page.nextUri, {});
  }
}
