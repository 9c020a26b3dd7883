import { describe, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { services } from '../../scripts/services.ts';

/**
 * The chart by Helm itself, and where kubeconform and schemas of Kubernetes are at hand (KUBERNETES_SCHEMAS, a -schema-location),
 * each object against its schema. Both are Go modules: helm.sh/helm/v3/cmd/helm, github.com/yannh/kubeconform/cmd/kubeconform.
 */
const chart = join(import.meta.dirname, '../../deploy/helm/usage-tracking');
const helm = Bun.which('helm');
const kubeconform = Bun.which('kubeconform');
const schemas = process.env.KUBERNETES_SCHEMAS;
/** A Helm built from its module takes itself for one of long ago. */
const kubernetes = ['--kube-version', '1.31.0'];

const values = {
  small: {
    secrets: {
      databaseUrl: 'postgres://usage_user:50%off@db-1,db-2/usage_tracking?sslmode=verify-full',
      redisUrl: 'redis+sentinel://s1,s2,s3/usage',
      adminApiKey: 'operator-of-the-chart-test-0123456789',
    },
  },
  everything: {
    image: { registry: 'registry.example.com/usage', tag: '1.2.3', pullSecrets: [{ name: 'registry' }] },
    secrets: { existing: 'usage-secrets' },
    files: { secret: 'usage-certificates' },
    settings: { METERS_FILE: '/etc/usage/meters.yaml' },
    apps: { processor: { autoscaling: { enabled: true } } },
    ingress: { enabled: true, className: 'nginx', host: 'usage.example.com', tlsSecret: 'tls' },
    networkPolicy: {
      gatewayFrom: [{ podSelector: { matchLabels: { app: 'ingress' } } }],
      extraEgress: [{ ports: [{ protocol: 'TCP', port: 443 }] }],
    },
    nodeSelector: { pool: 'usage' },
    tolerations: [{ key: 'usage', operator: 'Exists' }],
  },
};

interface KubernetesObject {
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: of every kind
  spec: any;
}

describe.if(helm !== null)('the Helm chart', () => {
  test.each(Object.keys(values) as (keyof typeof values)[])(
    'with values "%s": lint, and objects that Kubernetes knows',
    async (name) => {
      await withValues(values[name], async (file) => {
        const lint = await run([helm!, 'lint', '--strict', ...kubernetes, chart, '--values', file]);
        expect(lint.output).toContain('0 chart(s) failed');
        const { output, code } = await template(file);
        expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
        if (!kubeconform || !schemas) return;
        const rendered = `${file}.rendered.yaml`;
        await writeFile(rendered, output);
        const checked = await run([
          kubeconform,
          '-strict',
          '-summary',
          '-schema-location',
          schemas,
          rendered,
        ]);
        expect(checked.output).toContain('Invalid: 0, Errors: 0, Skipped: 0');
      });
    },
  );

  test('every app has a deployment with its port, probes and no rights, a service, a budget and a policy', async () => {
    const objects = await render(values.small);
    for (const { name } of services) {
      const of = (kind: string) =>
        objects.find((one) => one.kind === kind && one.metadata.name === `usage-${name}`)!;
      const { template: pod } = of('Deployment').spec;
      const [container] = pod.spec.containers;
      expect(container.ports[0].containerPort).toBe(of('Service').spec.ports[0].port);
      expect(container.readinessProbe.httpGet.path).toBe('/health/ready');
      expect(container.securityContext.readOnlyRootFilesystem).toBe(true);
      expect(pod.spec.securityContext.runAsNonRoot).toBe(true);
      expect(of('PodDisruptionBudget').spec.maxUnavailable).toBe(1);
      expect(of('NetworkPolicy').spec.policyTypes).toEqual(['Ingress', 'Egress']);
    }
    const gateway = objects.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'usage-gateway',
    )!;
    const env = Object.fromEntries(
      gateway.spec.template.spec.containers[0].env.map((one: { name: string; value?: string }) => [
        one.name,
        one.value,
      ]),
    );
    expect(env).toMatchObject({
      AUTH: 'keys',
      QUERY_URL: 'http://usage-query:8002',
      LIMITS_URL: 'http://usage-limits:8004',
    });
  });

  test('processors scale by lag and gateways by processor time; the migration runs before both', async () => {
    const objects = await render(values.everything);
    const metricOf = (name: string) =>
      objects.find(
        ({ kind, metadata }) => kind === 'HorizontalPodAutoscaler' && metadata.name === `usage-${name}`,
      )!.spec.metrics[0];
    expect(metricOf('processor').external.metric.name).toBe('usage_stream_oldest_seconds');
    expect(metricOf('gateway').resource.name).toBe('cpu');
    const migration = objects.find(({ kind }) => kind === 'Job')!;
    expect(migration.metadata.annotations!['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    expect(objects.some(({ kind }) => kind === 'Secret')).toBe(false);
  });

  test('what is missing is named, with an example', async () => {
    await withValues({ secrets: { redisUrl: 'redis://r' } }, async (file) => {
      const { code, output } = await template(file);
      expect(code).not.toBe(0);
      expect(output).toContain(
        'secrets.databaseUrl (or secrets.existing) is needed: postgres://user:password@host/database',
      );
    });
  });
});

function template(file: string) {
  return run([helm!, 'template', 'usage', chart, ...kubernetes, '--values', file]);
}

async function render(of: object): Promise<KubernetesObject[]> {
  return await withValues(of, async (file) =>
    parseAllDocuments((await template(file)).output)
      .map((document) => document.toJS())
      .filter(Boolean),
  );
}

async function withValues<T>(of: object, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'usage-helm-'));
  try {
    const file = join(folder, 'values.json');
    await writeFile(file, JSON.stringify(of));
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(command: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const code = await child.exited;
  return { code, output: code === 0 ? out : out + err };
}
