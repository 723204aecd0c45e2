package params

import (
	"strings"
	"testing"
)

func TestInts(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"a[]=1&a[]=2", "a[0]=1&a[1]=2", "a[1]=2&a[0]=1", "a[9]=1&a[10]=2", "a=1&a=2", "a=[1,2]", `a=+["1",2]+`, `a={"10":2,"9":1}`,
		`{"a":[1,2]}`, `{"a":["1","2"]}`, `{"a":{"1":2,"0":1}}`, `{"a":"[1,2]"}`,
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Ints("a"), []int64{1, 2}, Given, "")
	}
	for body, want := range map[string]int64{"a=5": 5, `{"a":5}`: 5, `{"a":"5"}`: 5, `{"b":5}`: 5} {
		b := set(t, body).Bind()
		check(t, body, b, b.Ints("a", Alias("b")), []int64{want}, Given, "")
	}
	for _, body := range []string{
		"a=x", "a[]=", "a[]=1&a[]=x", "a[b]=1", "a[-1]=1", "a=1&a=x", "a=1&a=", "a={", `{"a":[null]}`, `{"a":[1.5]}`, `{"a":[[1]]}`, `{"a":true}`,
		`{"a":["[1]"]}`, "a=" + strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2),
	} {
		b := set(t, body).Bind()
		check(t, body, b, b.Ints("a"), nil, Failed, "a is invalid")
	}
	b := jsonSet(t, `{"a":[1,9]}`).Bind()
	check(t, "bounds", b, b.Ints("a", Between(1, 5)), nil, Failed, "a must be between 1 and 5")
	b = jsonSet(t, `{"a":[],"b":{},"n":null,"s":""}`).Bind()
	check(t, "empty array", b, b.Ints("a", Required()), []int64{}, Given, "")
	check(t, "empty object", b, b.Ints("b"), []int64{}, Given, "")
	check(t, "null", b, b.Ints("n"), nil, Empty, "")
	check(t, "blank", b, b.Ints("s"), nil, Empty, "")
	check(t, "missing", b, b.Ints("x"), nil, Missing, "")
}

func TestStrings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		body  string
		rules []Rule
		want  []string
		err   string
	}{
		{"a[]=x&a[]=&a[]=y", nil, []string{"x", "", "y"}, ""},
		{"a=x", nil, []string{"x"}, ""},
		{"a=[x]+hello", nil, []string{"[x] hello"}, ""},
		{`{"a":["x",1.0]}`, nil, []string{"x", "1.0"}, ""},
		{`{"a":{"2":"b","1":"a","10":"c"}}`, nil, []string{"a", "b", "c"}, ""},
		{`{"a":{"p10":"c","p2":"b","p1":"a"}}`, []Rule{NaturalKeys()}, []string{"a", "b", "c"}, ""},
		{`{"a":{"p10":"c"}}`, nil, nil, "a is invalid"},
		{`{"a":["x",null]}`, nil, nil, "a is invalid"},
		{`{"a":["x",true]}`, nil, nil, "a is invalid"},
		{`{"a":["x",["y"]]}`, nil, nil, "a is invalid"},
		{`{"a":["x"," "]}`, []Rule{NotBlank()}, nil, "a is invalid"},
		{`{"a":["xyz","wxyz"]}`, []Rule{Length(1, 3)}, nil, "a is too long (maximum is 3 characters)"},
		{`{"a":[" xyz "]}`, []Rule{Length(1, 3), Trim()}, []string{"xyz"}, ""},
	} {
		b := set(t, tc.body).Bind()
		state := Given
		if tc.err != "" {
			state = Failed
		}
		check(t, tc.body, b, b.Strings("a", tc.rules...), tc.want, state, tc.err)
	}
}

func TestNaturally(t *testing.T) {
	t.Parallel()
	rising := []string{"", "0", "1", "02", "3", "10", "10a", "99999999999999999999", "100000000000000000000", "a", "a1", "a2", "a10", "a10b", "b"}
	for i, a := range rising {
		for j, b := range rising {
			if got := naturally(a, b); got > 0 != (i > j) || got < 0 != (i < j) {
				t.Errorf("%q and %q: got %d", a, b, got)
			}
		}
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"data[id]=1&data[picture][data][height]=50", `data={"id":"1","picture":{"data":{"height":"50"}}}`,
		`{"data":{"id":"1","picture":{"data":{"height":"50"}}}}`, `{"data":" {\"id\":\"1\",\"picture\":{\"data\":{\"height\":\"50\"}}}"}`,
	} {
		b := set(t, body).Bind()
		data := b.Object("data", Required())
		if !data.Given() {
			t.Errorf("%s: got %v", body, b.Err())
			continue
		}
		height := data.Value.Object("picture").Value.Object("data").Value.Int("height", Between(1, 9))
		check(t, body, b, height, 0, Failed, "data.picture.data.height must be between 1 and 9")
		want := `{"id":"1","picture":{"data":{"height":"50"}}}`
		if got := string(data.Value.Set().Canonical()); got != want {
			t.Errorf("%s: got %s", body, got)
		}
	}
	for _, body := range []string{"data=x", "data=[1]", `data={"a"`, "data[]=x", `{"data":[]}`, `{"data":1}`, `{"data":true}`} {
		b := set(t, body).Bind()
		got := b.Object("data")
		if err := b.Err(); got.State != Failed || got.Value != nil || err == nil || err.Error() != "data is invalid" {
			t.Errorf("%s: got %v, %v", body, got.State, err)
		}
	}
	for body, want := range map[string]State{"x=": Missing, "data=": Empty, `{"data":null}`: Empty, `{"data":{}}`: Given} {
		b := set(t, body).Bind()
		if got := b.Object("data"); got.State != want || b.Err() != nil {
			t.Errorf("%s: got %v, %v", body, got.State, b.Err())
		}
	}
}
