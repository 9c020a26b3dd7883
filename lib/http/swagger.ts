import { swagger } from '@elysiajs/swagger';
import { Elysia } from 'elysia';

export interface ApiDescription {
  title: string;
  description: string;
  /** In the order in which the page shows them. */
  tags: { name: string; description: string }[];
}

const version = '1';

/**
 * The API's description at /swagger (a page) and /swagger/json. The plugin's own page loads a script from a CDN, so
 * it is given ours: Swagger UI from the pinned package, served by the app. Nothing comes from the internet.
 */
export function apiDescription({ title, description, tags }: ApiDescription) {
  return new Elysia({ name: 'description' })
    .use(
      swagger({
        path: '/swagger',
        specPath: '/swagger/json',
        provider: 'scalar',
        scalarCDN: '/swagger/page.js',
        scalarConfig: { customCss: '' },
        documentation: {
          info: { title, description, version },
          tags,
          components: { securitySchemes },
          security,
        },
      }),
    )
    .get('/swagger/page.js', () => asset(pageScript(), 'text/javascript'), hidden)
    .get('/swagger/page.css', () => asset(Bun.file(packageFile('swagger-ui.css')), 'text/css'), hidden)
    .get(
      '/swagger/bundle.js',
      () => asset(Bun.file(packageFile('swagger-ui-bundle.js')), 'text/javascript'),
      hidden,
    );
}

const securitySchemes = {
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key: `usage_<prefix>_<secret>`. With AUTH=off none is asked for.',
  },
  portalToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'A portal token: `usage_portal_<secret>`. Shows one subject its own usage.',
  },
} as const;
/** Of every operation that doesn't say otherwise. */
const security = [{ apiKey: [] }];

const hidden = { detail: { hide: true } };

function asset(body: Blob | string, type: string): Response {
  return new Response(body, {
    headers: { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'public, max-age=3600' },
  });
}

function packageFile(name: string): string {
  return Bun.fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`));
}

/** Runs in the plugin's otherwise empty page. */
function pageScript(): string {
  return `
const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '/swagger/page.css' });
document.head.append(link);
const root = Object.assign(document.createElement('div'), { id: 'swagger-ui' });
document.body.append(root);
const script = Object.assign(document.createElement('script'), { src: '/swagger/bundle.js' });
script.onload = () => SwaggerUIBundle({
  url: '/swagger/json', dom_id: '#swagger-ui', deepLinking: true, displayRequestDuration: true,
  defaultModelsExpandDepth: -1, validatorUrl: null,
});
document.body.append(script);`;
}
