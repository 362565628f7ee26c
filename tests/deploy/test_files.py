"""The files of the platforms: against the platforms' own schemas and tools where those are installed, and against what they
refer to in this repository."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import site_files as site

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
# The tools of scripts/requirements-deploy.txt stand beside the Python that runs this.
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])


def tool(name):
    """The path of a program; without it the test is skipped by name."""
    found = shutil.which(name, path=TOOLS)
    if not found:
        raise unittest.SkipTest(f"{name} is not installed")
    return found


def yaml(path):
    from ruamel.yaml import YAML

    return list(YAML(typ="safe").load_all(path.read_text()))


class Files(unittest.TestCase):
    def passes(self, *command, **more):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, timeout=120, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_dockerfile(self):
        self.passes(tool("hadolint"), DEPLOY / "docker/Dockerfile")
        # What the build copies is let through by the ignore file.
        ignore = (ROOT / ".dockerignore").read_text()
        self.assertEqual(ignore, (DEPLOY / "docker/Dockerfile.dockerignore").read_text())
        for needed in ("Cargo.lock", "src", "vendor", "web", "models/*.bin", "LICENSE-MIT"):
            self.assertIn(f"!{needed}\n", ignore)

    @unittest.skipUnless(shutil.which("cargo"), "needs cargo")
    def test_the_image_is_built_from_what_the_ignore_file_lets_through(self):
        with tempfile.TemporaryDirectory() as folder:
            allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
            for pattern in allowed:
                for found in ROOT.glob(pattern):
                    copy = shutil.copytree if found.is_dir() else shutil.copy2
                    target = Path(folder) / found.relative_to(ROOT)
                    target.parent.mkdir(exist_ok=True)
                    copy(found, target)
            self.passes("cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path", f"{folder}/Cargo.toml")
            # What the sources embed, but for their tests, is there.
            for source in (Path(folder) / "src").rglob("*.rs"):
                code = source.read_text().split("#[cfg(test)]")[0]
                if source.name.endswith("_tests.rs"):
                    continue
                for named in re.findall(r'include_(?:bytes|str)!\("([^"]+)"\)', code):
                    self.assertTrue((source.parent / named).is_file(), f"{source.name}: {named}")

    def test_schemas(self):
        schema = tool("check-jsonschema")
        self.passes(schema, "--builtin-schema", "vendor.compose-spec", DEPLOY / "docker/compose.yaml")
        self.passes(schema, "--builtin-schema", "vendor.github-workflows", *(ROOT / ".github/workflows").glob("*.yml"))

    def test_workflows_trust_nobody_by_name(self):
        """Actions by the hash of a commit, no more rights than needed, no text of strangers in scripts."""
        self.passes(tool("zizmor"), "--offline", "--quiet", *(ROOT / ".github/workflows").glob("*.yml"))

    def test_compose_mounts_exist(self):
        tool("check-jsonschema")
        services = yaml(DEPLOY / "docker/compose.yaml")[0]["services"]
        mounts = [mount for service in services.values() for mount in service.get("volumes", []) if mount.startswith(".")]
        self.assertGreater(len(mounts), 2)
        for mount in mounts:
            self.assertTrue((DEPLOY / "docker" / mount.split(":")[0]).exists(), mount)

    def test_kubernetes(self):
        validate = tool("kubernetes-validate")
        files = [file for file in (DEPLOY / "kubernetes").glob("*.yaml") if file.name != "kustomization.yaml"]
        listed = yaml(DEPLOY / "kubernetes/kustomization.yaml")[0]["resources"]
        self.assertEqual(sorted(file.name for file in files), sorted(listed))
        self.passes(validate, "--strict", *files)
        pod = yaml(DEPLOY / "kubernetes/deployment.yaml")[0]["spec"]["template"]
        selectors = [yaml(DEPLOY / "kubernetes" / name)[0]["spec"] for name in ("service.yaml", "disruption.yaml", "network.yaml")]
        for spec in selectors:
            selector = spec.get("podSelector", spec.get("selector"))
            selector = selector.get("matchLabels", selector)
            self.assertEqual(selector, pod["metadata"]["labels"])

    def test_kustomize(self):
        kubectl = tool("kubectl")
        built = self.passes(kubectl, "kustomize", DEPLOY / "kubernetes")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(built)
            file.flush()
            self.passes(tool("kubernetes-validate"), "--strict", file.name)

    def test_cloud_run(self):
        tool("check-jsonschema")
        for name, port in (("service", "h2c"), ("events", "http1")):
            service = yaml(DEPLOY / f"cloudrun/{name}.yaml")[0]
            self.assertEqual((service["apiVersion"], service["kind"]), ("serving.knative.dev/v1", "Service"))
            container, = service["spec"]["template"]["spec"]["containers"]
            self.assertEqual(container["ports"], [{"name": port, "containerPort": 8080}])
            # PORT is Cloud Run's own; naming it is refused there.
            variables = {variable["name"]: variable.get("value") for variable in container["env"]}
            self.assertNotIn("PORT", variables)
            # Only a service that nobody but the platform reaches may go without keys.
            inside = service["metadata"]["annotations"]["run.googleapis.com/ingress"] == "internal"
            self.assertEqual(variables.get("EVENTS") == "platform", inside)
            # A Knative service's pod is a pod: its schema is Kubernetes'. The annotations are Google's.
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "voxproof"},
                   "spec": {"containers": [container | {"name": "voxproof"}]}}
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(pod, file)
                file.flush()
                self.passes(tool("kubernetes-validate"), "--strict", file.name)

    def test_platform_files_name_what_exists(self):
        tool("check-jsonschema")
        railway = json.loads((ROOT / "railway.json").read_text())
        render = yaml(ROOT / "render.yaml")[0]["services"][0]
        ocean = yaml(ROOT / ".do/app.yaml")[0]["services"][0]
        heroku = yaml(ROOT / "heroku.yml")[0]
        for dockerfile in (railway["build"]["dockerfilePath"], render["dockerfilePath"], ocean["dockerfile_path"],
                           heroku["build"]["docker"]["web"]):
            self.assertTrue((ROOT / dockerfile).is_file(), dockerfile)
        paths = {railway["deploy"]["healthcheckPath"], render["healthCheckPath"], ocean["health_check"]["http_path"]}
        self.assertEqual(paths, {"/health"})
        self.assertEqual(json.loads((ROOT / "app.json").read_text())["stack"], "container")
        # The image's entry point, and Heroku's, which replaces it.
        dockerfile = (DEPLOY / "docker/Dockerfile").read_text()
        self.assertIn('ENTRYPOINT ["/usr/local/bin/voxproof"]', dockerfile)
        self.assertEqual(heroku["run"]["web"]["command"], ["/usr/local/bin/voxproof", "serve"])
        self.assertRegex((ROOT / "Procfile").read_text(), r"^web: \S*/voxproof serve\n$")

    def test_systemd_unit(self):
        analyze = tool("systemd-analyze")
        with tempfile.TemporaryDirectory() as folder:
            # The program is where it will be installed; here it is not.
            unit = Path(folder) / "voxproof.service"
            unit.write_text((DEPLOY / "ec2/voxproof.service").read_text().replace("/usr/local/bin/voxproof", "/bin/true"))
            said = self.passes(analyze, "verify", "--man=no", unit)
            self.assertNotIn("voxproof.service:", said)
            said = self.passes(analyze, "security", "--offline=true", unit)
        level = float(re.search(r"exposure level for voxproof.service: ([0-9.]+)", said).group(1))
        self.assertLess(level, 2.0)

    def test_nginx_site(self):
        nginx = tool("nginx")
        tool("openssl")
        with tempfile.TemporaryDirectory() as folder:
            said = self.passes(nginx, "-t", "-c", site.write(Path(folder)), "-e", f"{folder}/error.log")
            self.assertNotIn("[warn]", said)

    def test_scripts_are_shell(self):
        self.passes("bash", "-n", DEPLOY / "ec2/user-data.sh")
        unit = "/etc/systemd/system/voxproof.service"
        self.assertIn(unit, (DEPLOY / "ec2/user-data.sh").read_text())
        self.assertIn(unit, (DEPLOY / "ec2/voxproof.service").read_text())


if __name__ == "__main__":
    unittest.main()
