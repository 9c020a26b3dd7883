import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../scripts/local/ports.ts';
import { startServer, stopServer, stopWithParent, waitUntilUp } from '../../scripts/local/server.ts';
import { makeCertificates } from '../support/certificates.ts';
import { temporaryFolder } from '../support/servers.ts';

const root = join(import.meta.dirname, '../..');
const downloadMsMax = 240_000;
const startMsMax = 60_000;
const stopMsMax = 20_000;

export const secureUser = { name: 'usage', password: 'secret-of-the-test' };

export interface TestBroker {
  /** KAFKA_BROKERS. */
  address: string;
  /** The same over TLS with SASL (PLAIN, SCRAM-SHA-256), for `secureUser`. */
  secureAddress: string;
  /** KAFKA_CA_FILE for it. */
  caFile: string;
  kill(): Promise<void>;
  /** With the files that it left, on the same port. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Where a broker's jars are: KAFKA_HOME (an unpacked Kafka), else what Maven brings by pom.xml, once, some 100 MB; else why there are
 * none. Kafka needs Java 17.
 */
export async function findKafka(): Promise<{ classpath: string } | { missing: string }> {
  if (!Bun.which('java')) return { missing: 'there is no Java (apt-get install openjdk-17-jre-headless)' };
  const home = process.env.KAFKA_HOME;
  if (home) return { classpath: join(home, 'libs/*') };
  const pom = join(import.meta.dirname, 'pom.xml');
  const version = /<version>(\d[\d.]+\.\d+)<\/version>/.exec(await Bun.file(pom).text())![1]!;
  const folder = join(root, 'node_modules/.cache', `kafka-${version}`);
  if (existsSync(folder)) return { classpath: join(folder, '*') };
  if (!Bun.which('mvn')) return { missing: 'neither KAFKA_HOME is set nor Maven there to bring the jars' };
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const maven = Bun.spawn(
    ['mvn', '-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`],
    { stdout: 'pipe', stderr: 'inherit', timeout: downloadMsMax },
  );
  const said = await new Response(maven.stdout).text();
  if ((await maven.exited) !== 0) {
    await rm(unfinished, { recursive: true, force: true });
    return { missing: `Maven could not bring the jars: ${said.slice(0, 300)}` };
  }
  await rename(unfinished, folder);
  return { classpath: join(folder, '*') };
}

/** A single broker that is its own controller, with data of its own. */
export async function startBroker(classpath: string): Promise<TestBroker> {
  const folder = await temporaryFolder('usage-test-kafka-');
  const [port, controllerPort, securePort] = [await freePort(), await freePort(), await freePort()];
  await makeCertificates(folder);
  const settings = join(folder, 'server.properties');
  await Bun.write(settings, await propertiesOf({ port, controllerPort, securePort }, folder));
  const logs = join(folder, 'log4j2.yaml');
  await Bun.write(logs, log4j);
  const java = (main: string, ...args: string[]) => [
    'java',
    '-Xmx512m',
    '-Xshare:auto',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Dlog4j2.configurationFile=${logs}`,
    '-cp',
    classpath,
    main,
    ...args,
  ];
  const scram = `SCRAM-SHA-256=[name=${secureUser.name},password=${secureUser.password}]`;
  const format = Bun.spawnSync(
    java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', settings, '-S', scram),
  );
  if (format.exitCode !== 0) throw new Error(format.stdout.toString() + format.stderr.toString());
  const logFile = join(folder, 'kafka.log');
  let server: ReturnType<typeof startServer> | undefined;
  let callOff = () => {};
  const broker: TestBroker = {
    address: `127.0.0.1:${port}`,
    secureAddress: `localhost:${securePort}`,
    caFile: join(folder, 'ca.crt'),
    async start() {
      server = startServer(java('kafka.Kafka', settings), logFile);
      callOff = stopWithParent(server.process.pid, 'TERM', folder);
      await waitUntilUp('Kafka', server, startMsMax, () => isListening(port));
    },
    async kill() {
      callOff();
      server?.process.kill('SIGKILL');
      await server?.process.exited;
    },
    async stop() {
      callOff();
      if (server) await stopServer(server, 'SIGTERM', stopMsMax);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await broker.start();
  return broker;
}

async function propertiesOf(
  { port, controllerPort, securePort }: { port: number; controllerPort: number; securePort: number },
  folder: string,
): Promise<string> {
  const pem = async (name: string) =>
    (await Bun.file(join(folder, name)).text()).trim().replaceAll('\n', '\\n');
  const module = 'org.apache.kafka.common.security';
  return `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},SECURE://127.0.0.1:${securePort},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},SECURE://localhost:${securePort}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.certificate.chain=${await pem('server.crt')}
listener.name.secure.ssl.keystore.key=${await pem('server.key')}
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.secure.plain.sasl.jaas.config=${module}.plain.PlainLoginModule required user_${secureUser.name}="${secureUser.password}";
listener.name.secure.scram-sha-256.sasl.jaas.config=${module}.scram.ScramLoginModule required;
log.dirs=${join(folder, 'data')}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
`;
}

const log4j = `
Configuration:
  Appenders:
    Console: { name: out, PatternLayout: { pattern: "%d %p %m%n" } }
  Loggers:
    Root: { level: warn, AppenderRef: { ref: out } }
`;

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
