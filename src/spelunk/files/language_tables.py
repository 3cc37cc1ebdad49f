"""The tables behind :mod:`spelunk.files.languages`: one line for each language with its words."""

from __future__ import annotations

from typing import Final

EXTENSIONS: Final = """
actionscript as
ada adb ads ada gpr
agda agda lagda
apex cls trigger apex
arduino ino pde
asciidoc adoc asciidoc asc
asm s S asm nasm sx
astro astro
awk awk gawk
bash sh bash zsh ksh ash dash bats ebuild eclass
batch bat cmd
beancount beancount bean
bibtex bib bibtex
bicep bicep bicepparam
bitbake bb bbappend bbclass
bsl bsl os
c c h y l cl xs
cairo cairo
capnp capnp
chatito chatito
clarity clar
clojure clj cljs cljc edn
cmake cmake
cobol cob cbl cpy cobol
coffeescript coffee
commonlisp lisp lsp asd
cpon cpon
cpp cpp cc cxx c++ C hpp hh hxx h++ H ipp ixx cppm tpp txx inl tcc
crystal cr
csharp cs csx cake
css css
csv csv
cuda cu cuh
d d di
dart dart
devicetree dts dtsi dtso
diff diff patch
dockerfile dockerfile containerfile
dtd dtd
elisp el emacs
elixir ex exs
elm elm
embeddedtemplate erb ejs eex leex
erlang erl hrl escript xrl yrl
fennel fnl
firrtl fir
fish fish
fortran f F for f77 f90 F90 f95 F95 f03 F03 f08 F08 ftn
fsharp fs fsx fsscript
fsharp_signature fsi
func fc
gdscript gd
gleam gleam
glsl glsl vert frag geom comp tesc tese vsh fsh
gn gn gni
go go
graphql graphql gql graphqls
groovy groovy gradle gvy jenkinsfile nf
hack hack
haml haml
hare ha
haskell hs hsc hs-boot lhs
haxe hx
hcl hcl nomad
heex heex
hlsl hlsl hlsli fx fxh
html html htm xhtml hbs handlebars mustache jinja jinja2 j2 njk cshtml razor jsp ftl
hyprlang hl
ini ini cfg desktop service socket timer mount inf
ispc ispc isph
janet janet jdn
java java jav
javascript js mjs cjs jsx es6 jsm
json json jsonc json5 jsonl ndjson geojson webmanifest har topojson avsc
jsonnet jsonnet libsonnet
julia jl
kdl kdl
kotlin kt kts ktm
latex tex sty ltx latex dtx ins
less less
linkerscript ld lds
llvm ll
lua lua nse rockspec wlua
luau luau
m4 m4 ac
magik magik
make mk mak make am
markdown md markdown mdown mkd mkdn mdwn mdx qmd rmd Rmd livemd mdc
matlab matlab
mermaid mmd mermaid
netlinx axs axi
nim nim nims nimble
ninja ninja
nix nix
notebook ipynb
nqc nqc
objc m mm
ocaml ml
ocaml_interface mli
odin odin
org org
pascal pas pp lpr dpr dpk pascal
pem pem crt
perl pl pm t PL psgi pod cgi
pgn pgn
php php phtml stub php3 php4 php5 php7 phps
po po pot
pony pony
powershell ps1 psm1 psd1
prisma prisma
prolog pro prolog yap
properties properties env
proto proto
psv psv
pug pug jade
puppet epp
purescript purs
python py pyi pyw pyx pxd pxi py3 gyp gypi wsgi
qmljs qml
r r R
racket rkt rktd rktl scrbl
re2c re
rego rego
ron ron
rst rst rest
ruby rb rake gemspec ru podspec jbuilder builder thor rbi rbs rabl
rust rs
sass sass
scala scala sc sbt
scheme scm ss sld sls sps
scss scss
smali smali
smithy smithy
solidity sol
sparql sparql rq
sql sql ddl dml psql pgsql mysql hql
squirrel nut
starlark bzl star bazel starlark
stylus styl
svelte svelte
swift swift swiftinterface
tablegen td
tcl tcl tk exp itcl
terraform tf tfvars
text txt text log rfc
textile textile
thrift thrift
toml toml
troff man mdoc ms roff tmac
tsv tsv tab
tsx tsx
twig twig
typescript ts mts cts
typst typ
ungrammar ungram
uxntal tal
v vv
verilog v sv svh vh
vhdl vhd vhdl
vim vim vimrc
visualbasic vb vbs bas
vue vue
wast wast
wat wat
wgsl wgsl
wikitext mediawiki wiki
xml xml xsd xsl xslt svg plist xaml csproj vbproj fsproj vcxproj props targets nuspec resx wsdl rss atom xmi ui qrc iml storyboard xib pom rng dita
yaml yaml yml clang-format clang-tidy cff sublime-syntax
yuck yuck
zig zig zon
"""
"""Extensions, without the dot; case counts only where both cases are listed (``.c`` and ``.C``)."""

NAMES: Final = """
bash .bashrc .bash_profile .bash_aliases .bash_logout .profile .zshrc .zshenv .zprofile PKGBUILD APKBUILD configure gradlew mvnw .envrc
cmake CMakeLists.txt
dockerfile Dockerfile Containerfile dockerfile
elisp .emacs .spacemacs Cask
gitattributes .gitattributes
gitignore .gitignore .ignore .dockerignore .npmignore .eslintignore .prettierignore .rgignore .hgignore .spelunkignore .helmignore .gcloudignore
gomod go.mod go.work
gosum go.sum go.work.sum
groovy Jenkinsfile
ini .editorconfig .gitconfig .gitmodules .npmrc .pylintrc .flake8 .coveragerc .hgrc .pypirc
json .babelrc .eslintrc .jshintrc .prettierrc .stylelintrc .swcrc composer.lock Pipfile.lock .watchmanconfig .arcconfig
kconfig Kconfig
make Makefile makefile GNUmakefile Kbuild Makefile.am BSDmakefile
meson meson.build meson_options.txt meson.options
properties .env
pymanifest MANIFEST.in
python SConstruct SConscript wscript .pythonrc
qmldir qmldir
r .Rprofile
readline .inputrc inputrc
requirements requirements.txt
ruby Gemfile Rakefile Guardfile Capfile Vagrantfile Podfile Fastfile Brewfile Appraisals Thorfile Berksfile .irbrc .pryrc .gemrc config.ru
starlark BUILD BUILD.bazel WORKSPACE WORKSPACE.bazel MODULE.bazel Tiltfile BUCK
text LICENSE COPYING NOTICE AUTHORS README CHANGELOG CHANGES NEWS TODO INSTALL CODEOWNERS CREDITS MAINTAINERS
toml Cargo.lock poetry.lock uv.lock Pipfile pdm.lock
vim .vimrc .gvimrc _vimrc .exrc
xcompose .XCompose
yaml .clang-format .clang-tidy .clangd pubspec.lock Podfile.lock .yamllint CITATION.cff
"""
"""Whole file names."""

ALIASES: Final = """
bash shell sh zsh ksh shellscript
batch dosbatch
bsl 1c
c ansi-c
commonlisp lisp common-lisp cl
cpp c++ cplusplus cxx
csharp c# cs dotnet
css stylesheet
devicetree dts
dockerfile docker
elisp emacs-lisp emacslisp
embeddedtemplate erb ejs
fsharp f#
gomod go-mod
go golang
hcl hashicorp
html htm html5
javascript js jsx node nodejs ecmascript mjs
json jsonc json5
latex tex
make makefile gnumake
markdown md mdx
notebook jupyter ipynb
objc objective-c objectivec obj-c objective-c++ objc++
pascal delphi
perl perl5
php php8
powershell pwsh ps1 posh
proto protobuf protocol-buffers
python py python3 cython
r rlang
rst restructuredtext rest
ruby rb rails
rust rs
scheme guile
starlark bazel
terraform tf
text plain plaintext txt
typescript ts
v vlang
verilog systemverilog sv
vim viml vimscript
visualbasic vb vb.net vbnet
yaml yml
zig zon
"""
"""What people type for a language."""

INTERPRETERS: Final = """
awk awk gawk mawk nawk
bash sh bash dash ash zsh ksh busybox bats
clojure bb clojure
commonlisp sbcl clisp ecl
crystal crystal
elisp emacs
elixir elixir iex
erlang escript
fish fish
fsharp dotnet-fsi fsharpi
groovy groovy
haskell runghc runhaskell stack cabal
javascript node nodejs bun qjs gjs js
julia julia
kotlin kotlin kotlinc
lua lua luajit texlua
make make gmake
nim nim
nix nix-instantiate
ocaml ocaml ocamlrun ocamlscript
perl perl
php php
powershell pwsh
python python pypy ipython uv
r Rscript
racket racket
ruby ruby jruby rbx macruby rake
scala scala amm
scheme guile csi chibi-scheme gosh
swift swift
tcl tclsh wish expect
typescript deno ts-node tsx
v v
"""
"""Programs of a ``#!`` line, without a version."""
