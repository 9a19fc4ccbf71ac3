package zitadel_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/zitadel"
	"harmony-callout/provision/zitadel/standin"
)

// A Zitadel is brought to what is wanted; a second run finds nothing to do.
func Example() {
	dir, err := os.MkdirTemp("", "zitadel-example-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = converge(context.Background(), dir)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 5 changes
	// 0 changes
	// a token of sensor-1: true
}

func converge(ctx context.Context, dir string) error {
	// In the place of a real Zitadel, whose token zitadel.Environment(os.LookupEnv) finds.
	server, err := standin.New(standin.Config{Dir: filepath.Join(dir, "zitadel")})
	if err != nil {
		return err
	}
	defer server.Close()
	issuer, err := provision.ParseIssuer(server.URL())
	if err != nil {
		return err
	}
	client, err := zitadel.New(zitadel.Config{
		Issuer:      issuer,
		Credentials: []zitadel.CredentialSource{zitadel.PATFile(standin.AdminPATFile(filepath.Join(dir, "zitadel")))},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	keys, err := keystore.Open(provision.KeyDir(dir))
	if err != nil {
		return err
	}
	defer keys.Close()
	notes, err := provision.OpenState(dir)
	if err != nil {
		return err
	}
	defer notes.Close()

	want := provision.ZitadelConfig{
		Project:      "nats",
		Roles:        []provision.RoleConfig{{Key: "sensor", DisplayName: "Sensor"}},
		MachineUsers: []provision.MachineUserConfig{{Username: "sensor-1", Name: "Sensor 1", Key: "local"}},
		Grants:       []provision.GrantConfig{{User: "sensor-1", Roles: []string{"sensor"}}},
	}
	conv, err := zitadel.NewConvergence(client, zitadel.Settings{Want: want, Keys: keys, Notes: notes})
	if err != nil {
		return err
	}
	runner := provision.Runner{Steps: conv.Steps()}
	for range 2 {
		sum, err := runner.Up(ctx)
		if err != nil {
			return err
		}
		fmt.Println(sum.Changes, "changes")
	}
	token, err := conv.Token(ctx, "sensor-1")
	fmt.Println("a token of sensor-1:", len(token.Access.Reveal()) > 0)
	return err
}
